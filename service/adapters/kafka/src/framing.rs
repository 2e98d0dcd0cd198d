//! How a value says which schema it was written by.

use uuid::Uuid;

use crate::PerEvent;

/// First byte of what refers to a schema by its number.
const BY_NUMBER: u8 = 0x00;

/// First byte of what refers to a schema by its GUID.
const BY_GUID: u8 = 0x01;

/// Which message of the schema it is: the first, `[0]`, whose list of indexes is shortened to this one byte.
const FIRST_MESSAGE: u8 = 0x00;

/// Header that carries the schema's identifier, where the value does not (Confluent Platform 8.0).
pub(crate) const SCHEMA_ID_HEADER: &str = "__value_schema_id";

/// What a registry calls a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaId {
    /// Its number at this registry.
    pub number: u32,
    /// Its identifier at every registry, where the registry gives one.
    pub guid: Option<Uuid>,
}

/// Where a record says which schema its value was written by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Nowhere: there is no registry, and values are bare protobuf.
    Bare,
    /// Before the value, in Confluent's frame.
    Prefix(PerEvent<SchemaId>),
    /// In the header `__value_schema_id`; values are bare protobuf.
    Header(PerEvent<SchemaId>),
}

impl SchemaId {
    /// What stands before a value: `0x00`, the number as four bytes with the highest first, the index of the message.
    pub(crate) const fn prefix(self) -> [u8; 6] {
        let [a, b, c, d] = self.number.to_be_bytes();
        [BY_NUMBER, a, b, c, d, FIRST_MESSAGE]
    }

    /// The header's value: `0x01` and the GUID if there is one, otherwise as in the prefix; then the index of the
    /// message. Confluent's readers take both.
    pub(crate) fn header(self) -> Vec<u8> {
        let Some(guid) = self.guid else {
            return self.prefix().to_vec();
        };
        let mut bytes = Vec::with_capacity(18);
        bytes.push(BY_GUID);
        bytes.extend_from_slice(guid.as_bytes());
        bytes.push(FIRST_MESSAGE);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERED: SchemaId = SchemaId {
        number: 0x0102_0304,
        guid: None,
    };

    #[test]
    fn the_prefix_is_confluents_frame() {
        assert_eq!(NUMBERED.prefix(), [0, 1, 2, 3, 4, 0]);
    }

    #[test]
    fn the_header_has_the_guid_if_there_is_one_and_the_number_otherwise() {
        assert_eq!(NUMBERED.header(), [0, 1, 2, 3, 4, 0]);
        let known = SchemaId {
            guid: Some(Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10)),
            ..NUMBERED
        };
        assert_eq!(
            known.header(),
            [1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0]
        );
    }
}
