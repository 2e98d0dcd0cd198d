use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A number from 0 to 100, or a share such as `25%` (`IntOrString` of the API conventions).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum IntOrPercent {
    /// A number.
    Int(i32),
    /// A share, as written.
    Percent(String),
}

impl IntOrPercent {
    /// The greatest number, and the greatest share in percent.
    pub const MAX: i32 = 100;

    /// The number, of pods or of percent; `None` if it is neither, or out of bounds.
    pub fn number(&self) -> Option<i32> {
        let number = match self {
            Self::Int(number) => *number,
            Self::Percent(share) => {
                let digits = share.strip_suffix('%')?;
                let is_plain = digits.bytes().all(|digit| digit.is_ascii_digit())
                    && (digits == "0" || !digits.starts_with('0'));
                digits.parse().ok().filter(|_| is_plain)?
            }
        };
        (0..=Self::MAX).contains(&number).then_some(number)
    }
}

impl fmt::Display for IntOrPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => number.fmt(f),
            Self::Percent(share) => share.fmt(f),
        }
    }
}

impl JsonSchema for IntOrPercent {
    fn schema_name() -> Cow<'static, str> {
        "IntOrPercent".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "minimum": 0,
            "maximum": Self::MAX,
            "pattern": "^(0|[1-9][0-9]?|100)%$",
            "maxLength": 4,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_and_shares_within_bounds_are_numbers() {
        let text = |text: &str| IntOrPercent::Percent(text.to_owned()).number();
        assert_eq!(text("0%"), Some(0));
        assert_eq!(text("100%"), Some(100));
        assert_eq!(IntOrPercent::Int(100).number(), Some(100));
        for bad in ["", "%", "1", "01%", "101%", "+1%", "-1%", "1.5%", "1%%"] {
            assert_eq!(text(bad), None, "{bad}");
        }
        assert_eq!(IntOrPercent::Int(-1).number(), None);
        assert_eq!(IntOrPercent::Int(101).number(), None);
    }
}
