//! Reasons of conditions, one word each, as API conventions ask. `docs/runbook.md` says of each what to do.

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: &str = $word;)+

        /// All of them, each with what it means.
        pub const ALL: &[(&str, &str)] = &[$(($word, concat!($($doc),+))),+];
    };
}

reasons! {
    /// All pods run the current spec and take calls.
    AVAILABLE = "Available";
    /// The API server refused a child, such as by a quota or a policy; the message is its own.
    /// The operator tries again, later each time.
    WRITE_REFUSED = "WriteRefused";
    /// Children are being written.
    APPLYING = "Applying";
    /// Pods are being replaced by ones of the current spec.
    ROLLOUT_IN_PROGRESS = "RolloutInProgress";
    /// The current spec is rolled out, but pods are missing or not ready.
    PODS_UNAVAILABLE = "PodsUnavailable";
    /// The API server refuses new pods by a rule, such as a quota or a policy; the message has its
    /// words. Those that run go on.
    PODS_REFUSED = "PodsRefused";
    /// The rollout made no progress within the Deployment's progress deadline.
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded";
    /// The spec breaks a rule; the message names the field. What runs is left as it is.
    INVALID_SPEC = "InvalidSpec";
    /// Children of a deleted resource of the same name are still being removed.
    AWAITING_REMOVAL = "AwaitingRemoval";
    /// An object of the same name belongs to somebody else and is left alone.
    NAME_CONFLICT = "NameConflict";
    /// A Secret that the spec names, or a key of it, does not exist; the message names both.
    SECRET_MISSING = "SecretMissing";
    /// The spec asks cert-manager for a certificate, and the cluster has none; the message names the
    /// field. What runs is left as it is.
    CERT_MANAGER_MISSING = "CertManagerMissing";
    /// The certificate has not been issued yet; the message has what cert-manager says of it.
    CERTIFICATE_PENDING = "CertificatePending";
    /// The database or the schema registry is being prepared for the pods of the current spec.
    PREPARING = "Preparing";
    /// The preparation failed; the message says where its log is. What runs is left as it is.
    PREPARATION_FAILED = "PreparationFailed";
    /// `spec.pause` is set.
    PAUSED_BY_SPEC = "PausedBySpec";
    /// The annotation `usersvc.dev/paused` is set.
    PAUSED_BY_ANNOTATION = "PausedByAnnotation";
    /// The resource is paused, and something waits to be written.
    CHANGES_PAUSED = "ChangesPaused";
    /// Users are kept in the memory of each pod.
    MEMORY_STORAGE = "MemoryStorage";
    /// Users are kept in a database.
    MONGODB_STORAGE = "MongodbStorage";
    /// Every topic is there and as described.
    TOPICS_IN_PLACE = "TopicsInPlace";
    /// Topics are being created or changed.
    TOPICS_CHANGING = "TopicsChanging";
    /// Kafka cannot be reached; the operator tries again, later each time.
    KAFKA_UNREACHABLE = "KafkaUnreachable";
    /// Kafka refused to create or change a topic; the message is its own.
    TOPIC_REFUSED = "TopicRefused";
    /// More partitions are described than there are, and `growPartitions` does not allow it.
    GROWTH_NOT_ACKNOWLEDGED = "GrowthNotAcknowledged";
    /// A described change is one that is not made: fewer partitions, another replication
    /// factor.
    CHANGE_NOT_SUPPORTED = "ChangeNotSupported";
    /// The resource is being deleted, and its topics before it.
    DELETING_TOPICS = "DeletingTopics";
}
