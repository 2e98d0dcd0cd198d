//! Names as Kubernetes takes them.

/// A DNS label (RFC 1123): 1 to 63 lower-case letters, digits and '-', none of these at an end.
pub(super) fn is_dns_label(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=63).contains(&text.len())
        && text.chars().all(|c| edge(c) || c == '-')
        && text.starts_with(edge)
        && text.ends_with(edge)
}

/// A DNS subdomain (RFC 1123): what most objects may be called.
pub(super) fn is_subdomain(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=253).contains(&text.len())
        && text.chars().all(|c| edge(c) || matches!(c, '-' | '.'))
        && text.starts_with(edge)
        && text.ends_with(edge)
}

/// A key of a label or an annotation: a name, with or without a domain and `/` before it.
pub(super) fn is_qualified(key: &str) -> bool {
    let name = match key.split_once('/') {
        Some((domain, name)) if is_subdomain(domain) => name,
        Some(_) => return false,
        None => key,
    };
    !name.is_empty() && is_label_value(name)
}

/// The value of a label: empty, or up to 63 characters.
pub(super) fn is_label_value(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.is_empty()
        || text.len() <= 63
            && text
                .chars()
                .all(|c| edge(c) || matches!(c, '-' | '.' | '_'))
            && text.starts_with(edge)
            && text.ends_with(edge)
}
