//! The service that the generated server calls.

use tonic::{Request, Response, Status};
use user_application::{Clock, CreateUser, GetUser, IdGenerator, UserRepository};
use user_proto::user::v1::user_service_server::{UserService, UserServiceServer};
use user_proto::user::v1::{
    CreateUserRequest, CreateUserResponse, GetUserRequest, GetUserResponse,
};

use crate::convert::{new_user, shown, user_id};
use crate::status::ApiError;

/// `user.v1.UserService` over the use cases.
#[derive(Debug)]
pub struct UserApi<R, C, I> {
    create_user: CreateUser<R, C, I>,
    get_user: GetUser<R>,
}

impl<R: UserRepository, C: Clock, I: IdGenerator> UserApi<R, C, I> {
    /// The API over these use cases.
    pub const fn new(create_user: CreateUser<R, C, I>, get_user: GetUser<R>) -> Self {
        Self {
            create_user,
            get_user,
        }
    }

    /// The API as a service to be routed to, with its message limit.
    pub fn into_server(self) -> UserServiceServer<Self> {
        UserServiceServer::new(self).max_decoding_message_size(crate::MAX_REQUEST_BYTES)
    }
}

#[tonic::async_trait]
impl<R: UserRepository, C: Clock, I: IdGenerator> UserService for UserApi<R, C, I> {
    async fn create_user(
        &self,
        request: Request<CreateUserRequest>,
    ) -> Result<Response<CreateUserResponse>, Status> {
        let new = new_user(&request.into_inner())?;
        let user = self
            .create_user
            .execute(new)
            .await
            .map_err(ApiError::from)?;
        let user_id = user.id().to_string();
        Ok(Response::new(CreateUserResponse {
            user_id,
            user: Some(shown(&user)),
        }))
    }

    async fn get_user(
        &self,
        request: Request<GetUserRequest>,
    ) -> Result<Response<GetUserResponse>, Status> {
        let id = user_id(&request.into_inner())?;
        let user = self.get_user.execute(id).await.map_err(ApiError::from)?;
        Ok(Response::new(GetUserResponse {
            user: Some(shown(&user)),
        }))
    }
}
