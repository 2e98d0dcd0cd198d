//! Hashes for names and annotations.

use std::{
    fmt::Write as _,
    io::{self, BufWriter, Write},
};

use serde::Serialize;
use sha2::{Digest, Sha256};

/// Bytes of JSON that are hashed at a time.
const PIECE: usize = 512;

/// First ten hexadecimal digits of a digest: short enough for a name, and a clash within the few
/// revisions of one resource is out of reach (40 bits).
pub(crate) fn short_hash(digest: &[u8]) -> String {
    hex(digest.get(..5).unwrap_or(digest))
}

/// All hexadecimal digits of a digest.
pub(crate) fn hex(digest: &[u8]) -> String {
    let mut hex = String::with_capacity(2 * digest.len());
    for byte in digest {
        // A string takes whatever is written to it.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// A hash of a value as JSON, followed by `beside`. The text is hashed as it is written, and never
/// there as a whole.
pub(crate) fn of_json(value: &impl Serialize, beside: &str) -> Result<String, serde_json::Error> {
    let mut json = BufWriter::with_capacity(PIECE, Hasher::default());
    serde_json::to_writer(&mut json, value)?;
    let written = json.into_inner().map_err(io::IntoInnerError::into_error);
    let Hasher(mut hasher) = written.map_err(serde_json::Error::io)?;
    hasher.update(beside);
    Ok(short_hash(&hasher.finalize()))
}

/// A hash that is written to.
#[derive(Default)]
struct Hasher(Sha256);

impl Write for Hasher {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.0.update(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_is_hashed_as_its_text() {
        let value = json!({"name": "n".repeat(2 * PIECE), "list": [1, null, "ä"]});
        let text = format!("{value}beside");
        assert_eq!(
            of_json(&value, "beside").unwrap(),
            short_hash(&Sha256::digest(text))
        );
    }
}
