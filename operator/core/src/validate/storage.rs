use operator_api::{MongodbStorage, StorageSpec};
use user_settings::{MONGODB_URI_FILE, ReadPreference, Settings, Storage, bounds};

use super::{Broken, checks};
use crate::secrets::{Need, SecretFile, SecretMount};

/// Reads `spec.storage` into the settings, and what the pods need from Secrets into `mounts`.
pub(super) fn read(
    storage: Option<&StorageSpec>,
    settings: &mut Settings,
    mounts: &mut Vec<SecretMount>,
    broken: &mut Broken,
) {
    let Some(storage) = storage else { return };
    match (&storage.memory, &storage.mongodb) {
        (Some(_), None) => {}
        (None, Some(mongodb)) => read_mongodb(mongodb, settings, mounts, broken),
        _ => broken.add(
            "spec.storage",
            "exactly one storage must be named: memory or mongodb",
        ),
    }
}

fn read_mongodb(
    spec: &MongodbStorage,
    settings: &mut Settings,
    mounts: &mut Vec<SecretMount>,
    broken: &mut Broken,
) {
    const FIELD: &str = "spec.storage.mongodb.connection";
    settings.storage = Storage::Mongodb;
    let connection = &spec.connection;
    checks::secret(FIELD, &connection.secret, broken);
    checks::secret_key(FIELD, &connection.key, broken);
    if let Some((directory, file)) = MONGODB_URI_FILE.rsplit_once('/') {
        mounts.push(SecretMount {
            field: FIELD,
            volume: "mongodb",
            secret: connection.secret.clone(),
            directory,
            files: vec![SecretFile {
                key: connection.key.clone(),
                path: file,
                need: Need::Always,
                is_reloaded: false,
            }],
            serves_only: false,
            is_issued: false,
        });
    }

    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !checks::text(&spec.database, 1..=38, name) {
        broken.add(
            "spec.storage.mongodb.database",
            "must be 1 to 38 letters, digits, '-' or '_'",
        );
    }
    settings.mongodb.database.clone_from(&spec.database);
    read_pool(spec, settings, broken);
    settings.mongodb.read_preference = match spec.read_preference {
        operator_api::ReadPreference::Primary => ReadPreference::Primary,
        operator_api::ReadPreference::PrimaryPreferred => ReadPreference::PrimaryPreferred,
        operator_api::ReadPreference::SecondaryPreferred => ReadPreference::SecondaryPreferred,
        operator_api::ReadPreference::Nearest => ReadPreference::Nearest,
    };
    settings.outbox.retention = checks::duration(
        "spec.storage.mongodb.outboxRetention",
        spec.outbox_retention,
        &bounds::OUTBOX_RETENTION.range(),
        broken,
    );
}

fn read_pool(spec: &MongodbStorage, settings: &mut Settings, broken: &mut Broken) {
    const MIN: &str = "spec.storage.mongodb.minPoolSize";
    let max = checks::count(
        "spec.storage.mongodb.maxPoolSize",
        spec.max_pool_size,
        &bounds::MONGODB_MAX_POOL_SIZE.range(),
        broken,
    );
    let min = match spec.min_pool_size {
        Some(size) => checks::count(MIN, size, &bounds::MONGODB_MIN_POOL_SIZE.range(), broken),
        None => bounds::MONGODB_MIN_POOL_SIZE.default.min(max),
    };
    if min > max {
        broken.add(MIN, "minPoolSize must not exceed maxPoolSize");
    }
    settings.mongodb.max_pool_size = max;
    settings.mongodb.min_pool_size = min;
}
