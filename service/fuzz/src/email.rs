//! E-mail addresses, as somebody types them.

use user_domain::Email;

/// Whether the text is an address; it is one still, and the same, after it was read, put between white space or written in
/// capitals, and so is its key.
pub fn email(input: &[u8]) -> bool {
    let typed = String::from_utf8_lossy(input);
    let Ok(email) = Email::parse(&typed) else {
        return false;
    };
    assert!(email.as_str().len() <= Email::MAX_BYTES);
    assert!(!email.as_str().chars().any(char::is_control));
    assert_eq!(format!("{email:?}"), "Email(redacted)");
    let again = |text: &str| Email::parse(text).expect("is an address still");
    for text in [email.as_str(), &format!(" {typed}\t\n")] {
        let again = again(text);
        assert_eq!(again.as_str(), email.as_str());
        assert_eq!(again.as_key(), email.as_key());
    }
    for text in [
        email.as_str().to_ascii_uppercase(),
        email.as_str().to_ascii_lowercase(),
    ] {
        assert_eq!(again(&text).as_key(), email.as_key());
    }
    // Small letters may have more bytes than capitals, and more than an address may.
    if email.as_key().len() <= email.as_str().len() {
        assert_eq!(again(email.as_key()).as_key(), email.as_key());
    }
    true
}
