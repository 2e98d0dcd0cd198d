use std::{ops::RangeInclusive, time::Duration};

use operator_api::{CertificateSpec, IssuerReference};

use super::{Broken, checks, names};

/// What cert-manager takes at least, and ten years.
const DURATION: RangeInclusive<Duration> = Duration::from_hours(1)..=LONGEST;
const RENEWAL: RangeInclusive<Duration> = Duration::from_mins(5)..=LONGEST;
const LONGEST: Duration = Duration::from_hours(87_600);

/// What is asked of cert-manager.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Certificate {
    pub(crate) issuer: IssuerReference,
    pub(crate) duration: Option<Duration>,
    pub(crate) renew_before: Option<Duration>,
}

pub(super) fn read(spec: &CertificateSpec, broken: &mut Broken) -> Certificate {
    const RENEW_BEFORE: &str = "spec.tls.certificate.renewBefore";
    check_issuer(&spec.issuer_ref, broken);
    let duration = spec.duration.map(|duration| {
        let field = "spec.tls.certificate.duration";
        checks::duration(field, duration, &DURATION, broken)
    });
    let renew_before = spec
        .renew_before
        .map(|before| checks::duration(RENEW_BEFORE, before, &RENEWAL, broken));
    if renew_before.is_some_and(|before| duration.is_none_or(|duration| before >= duration)) {
        broken.add(RENEW_BEFORE, "renewBefore needs duration and must be less");
    }
    Certificate {
        issuer: spec.issuer_ref.clone(),
        duration,
        renew_before,
    }
}

fn check_issuer(issuer: &IssuerReference, broken: &mut Broken) {
    const KIND: &str = "spec.tls.certificate.issuerRef.kind";
    let IssuerReference { name, kind, group } = issuer;
    for (field, value) in [
        ("spec.tls.certificate.issuerRef.name", name),
        ("spec.tls.certificate.issuerRef.group", group),
    ] {
        if !names::is_subdomain(value) {
            broken.add(field, format!("{value:?} is no DNS name"));
        }
    }
    let is_kind = kind.starts_with(|first: char| first.is_ascii_uppercase())
        && checks::text(kind, 1..=63, |letter| letter.is_ascii_alphanumeric());
    if !is_kind {
        broken.add(KIND, format!("{kind:?} is no kind such as Issuer"));
    } else if group == "cert-manager.io" && !["Issuer", "ClusterIssuer"].contains(&kind.as_str()) {
        broken.add(
            KIND,
            "kind must be Issuer or ClusterIssuer in the group cert-manager.io",
        );
    }
}
