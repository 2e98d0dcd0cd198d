//! Quantities by value: the API server stores them in a canonical form (`1000m` becomes `1`), so
//! text alone cannot tell whether two are the same.

use operator_api::Quantity;

const SUFFIXES: [(&str, i128); 14] = [
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
    ("Ki", 1_000 << 10),
    ("Mi", 1_000 << 20),
    ("Gi", 1_000 << 30),
    ("Ti", 1_000 << 40),
    ("Pi", 1_000 << 50),
    ("Ei", 1_000 << 60),
    ("", 1_000),
];

/// The quantity in thousandths of its unit; `None` if it is none, or has more than three decimals.
pub(crate) fn thousandths(text: &str) -> Option<i128> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (_, scale) = SUFFIXES.iter().find(|(known, _)| *known == suffix)?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || decimals.len() > 3 || number.ends_with('.') {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let decimals: i128 = format!("{decimals:0<3}").parse().ok()?;
    let scaled = whole
        .checked_mul(1000)?
        .checked_add(decimals)?
        .checked_mul(*scale)?;
    // Kubernetes rounds what is finer than a thousandth up.
    Some(scaled.div_euclid(1000) + i128::from(scaled % 1000 != 0))
}

pub(crate) fn value(quantity: &Quantity) -> Option<i128> {
    thousandths(&quantity.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_amount_is_the_same_value_however_it_is_written() {
        for (a, b) in [
            ("1", "1000m"),
            ("0.5", "500m"),
            ("1Gi", "1024Mi"),
            ("1k", "1000"),
            ("1.5Ki", "1536"),
            ("1000T", "1P"),
            ("1024Ti", "1Pi"),
        ] {
            assert_eq!(thousandths(a), thousandths(b), "{a} and {b}");
            assert!(thousandths(a).is_some(), "{a}");
        }
    }

    #[test]
    fn what_is_no_quantity_has_no_value() {
        for text in [
            "", "m", "1.", ".5", "1.0001", "-1", "1 Mi", "1Zi", "1e3", "1.2.3",
        ] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }
}
