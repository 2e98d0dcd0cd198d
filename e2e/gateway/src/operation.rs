//! The commands that the engine is asked, and what holds for each.

/// A command of the database, as opposed to one of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Insert,
    Update,
    Delete,
    FindAndModify,
    Find,
    Aggregate,
    Count,
    Distinct,
    GetMore,
    KillCursors,
    Create,
    CreateIndexes,
    CollMod,
    Drop,
    DropDatabase,
    DropIndexes,
    ListCollections,
    ListIndexes,
    ListDatabases,
}

impl Operation {
    /// The command of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "insert" => Self::Insert,
            "update" => Self::Update,
            "delete" => Self::Delete,
            "findAndModify" | "findandmodify" => Self::FindAndModify,
            "find" => Self::Find,
            "aggregate" => Self::Aggregate,
            "count" => Self::Count,
            "distinct" => Self::Distinct,
            "getMore" => Self::GetMore,
            "killCursors" => Self::KillCursors,
            "create" => Self::Create,
            "createIndexes" => Self::CreateIndexes,
            "collMod" => Self::CollMod,
            "drop" => Self::Drop,
            "dropDatabase" => Self::DropDatabase,
            "dropIndexes" | "deleteIndexes" => Self::DropIndexes,
            "listCollections" => Self::ListCollections,
            "listIndexes" => Self::ListIndexes,
            "listDatabases" => Self::ListDatabases,
            _ => return None,
        })
    }

    /// Whether it changes anything, so that a write concern belongs to it.
    pub(crate) fn writes(self) -> bool {
        matches!(
            self,
            Self::Insert
                | Self::Update
                | Self::Delete
                | Self::FindAndModify
                | Self::Create
                | Self::CreateIndexes
                | Self::CollMod
                | Self::Drop
                | Self::DropDatabase
                | Self::DropIndexes
        )
    }

    /// Whether it reads documents, so that a read concern belongs to it.
    pub(crate) fn reads(self) -> bool {
        matches!(
            self,
            Self::Find | Self::Aggregate | Self::Count | Self::Distinct
        )
    }

    /// Whether MongoDB takes it in a transaction.
    pub(crate) fn in_transaction(self) -> bool {
        matches!(
            self,
            Self::Insert
                | Self::Update
                | Self::Delete
                | Self::FindAndModify
                | Self::Find
                | Self::Aggregate
                | Self::Distinct
                | Self::GetMore
                | Self::KillCursors
                | Self::Create
        )
    }
}
