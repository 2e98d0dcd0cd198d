//! The service that the generated server calls.

use tonic::{Request, Response, Status};
use user_application::{
    BatchGetUsers, Clock, CreateUser, DeleteUser, GetUser, IdGenerator, ListUsers, UndeleteUser,
    UpdateUser, UserRepository,
};
use user_proto::user::v1::user_service_server::{UserService, UserServiceServer};
use user_proto::user::v1::{
    BatchGetUsersRequest, BatchGetUsersResponse, CreateUserRequest, CreateUserResponse,
    DeleteUserRequest, DeleteUserResponse, GetUserRequest, GetUserResponse, ListUsersRequest,
    ListUsersResponse, UndeleteUserRequest, UndeleteUserResponse, UpdateUserRequest,
    UpdateUserResponse,
};

use super::convert::{
    listing, new_user, shown, shown_page, user_deletion, user_id, user_ids, user_undeletion,
    user_update,
};
use crate::context::Arrived;
use crate::status::ApiError;

/// `user.v1.UserService` over the use cases.
#[derive(Debug)]
pub struct UserApi<R, C, I> {
    /// Creates users.
    pub create: CreateUser<R, C, I>,
    /// Finds them.
    pub get: GetUser<R, C>,
    /// Finds several of them at once.
    pub batch_get: BatchGetUsers<R, C>,
    /// Lists them.
    pub list: ListUsers<R, C>,
    /// Changes them.
    pub update: UpdateUser<R, C, I>,
    /// Deletes them.
    pub delete: DeleteUser<R, C, I>,
    /// Brings them back.
    pub undelete: UndeleteUser<R, C, I>,
}

impl<R: UserRepository, C: Clock, I: IdGenerator> UserApi<R, C, I> {
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
        let arrived = Arrived::of(&request);
        let request = request.into_inner();
        let (new, request_id) = new_user(&request)?;
        let is_chosen = new.id.is_some();
        let user = self
            .create
            .execute(new, arrived.context(request_id, request.validate_only))
            .await
            .map_err(ApiError::from)?;
        let is_known = is_chosen || !user.id().as_uuid().is_nil();
        let mut user = shown(&user);
        if !is_known {
            // It was only tried, and would get one of its own.
            user.user_id.clear();
        }
        Ok(Response::new(CreateUserResponse {
            user_id: user.user_id.clone(),
            user: Some(user),
        }))
    }

    async fn get_user(
        &self,
        request: Request<GetUserRequest>,
    ) -> Result<Response<GetUserResponse>, Status> {
        let arrived = Arrived::of(&request);
        let id = user_id(&request.into_inner())?;
        let user = self
            .get
            .execute(id, arrived.deadline())
            .await
            .map_err(ApiError::from)?;
        Ok(Response::new(GetUserResponse {
            user: Some(shown(&user)),
        }))
    }

    async fn batch_get_users(
        &self,
        request: Request<BatchGetUsersRequest>,
    ) -> Result<Response<BatchGetUsersResponse>, Status> {
        let arrived = Arrived::of(&request);
        let ids = user_ids(&request.into_inner())?;
        let users = self
            .batch_get
            .execute(&ids, arrived.deadline())
            .await
            .map_err(ApiError::from)?;
        Ok(Response::new(BatchGetUsersResponse {
            users: users.iter().map(shown).collect(),
        }))
    }

    async fn list_users(
        &self,
        request: Request<ListUsersRequest>,
    ) -> Result<Response<ListUsersResponse>, Status> {
        let arrived = Arrived::of(&request);
        let request = request.into_inner();
        let page = self
            .list
            .execute(listing(&request)?, arrived.deadline())
            .await
            .map_err(ApiError::from)?;
        Ok(Response::new(shown_page(&page, &request)))
    }

    async fn update_user(
        &self,
        request: Request<UpdateUserRequest>,
    ) -> Result<Response<UpdateUserResponse>, Status> {
        let arrived = Arrived::of(&request);
        let request = request.into_inner();
        let update = user_update(&request)?;
        let user = self
            .update
            .execute(update, arrived.context(None, request.validate_only))
            .await
            .map_err(ApiError::from)?;
        Ok(Response::new(UpdateUserResponse {
            user: Some(shown(&user)),
        }))
    }

    async fn delete_user(
        &self,
        request: Request<DeleteUserRequest>,
    ) -> Result<Response<DeleteUserResponse>, Status> {
        let arrived = Arrived::of(&request);
        let request = request.into_inner();
        let deletion = user_deletion(&request)?;
        let user = self
            .delete
            .execute(deletion, arrived.context(None, request.validate_only))
            .await
            .map_err(ApiError::from)?;
        Ok(Response::new(DeleteUserResponse {
            user: user.as_ref().map(shown),
        }))
    }

    async fn undelete_user(
        &self,
        request: Request<UndeleteUserRequest>,
    ) -> Result<Response<UndeleteUserResponse>, Status> {
        let arrived = Arrived::of(&request);
        let request = request.into_inner();
        let target = user_undeletion(&request)?;
        let user = self
            .undelete
            .execute(target, arrived.context(None, request.validate_only))
            .await
            .map_err(ApiError::from)?;
        Ok(Response::new(UndeleteUserResponse {
            user: Some(shown(&user)),
        }))
    }
}
