//! A certificate authority of one test, and the files of what it signs.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

use crate::Site;

/// Somebody who signs.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Its certificate, as a file.
    pub file: PathBuf,
}

/// A certificate and its key, as files.
#[derive(Debug, Clone)]
pub struct Files {
    /// PEM.
    pub certificate: PathBuf,
    /// PEM, for its owner only.
    pub key: PathBuf,
}

/// What a certificate says.
#[derive(Debug, Clone)]
pub enum Is<'a> {
    /// It is a server's, of these names and addresses.
    Server(&'a [&'a str]),
    /// It was a server's of this name, until 2020.
    ExpiredServer(&'a str),
    /// It is a client's, of this common name.
    Client(&'a str),
    /// It was a client's of this common name, until 2020.
    ExpiredClient(&'a str),
    /// It is a client's, of this common name and an organisation, valid from 2026 to 2049.
    ClientInFull(&'a str),
    /// It is a client's, whose common name is `cn`, of this host, mailbox or URI.
    ClientNamed(&'a str),
}

impl Authority {
    /// A new one; its certificate is `NAME.crt` of the site.
    ///
    /// # Errors
    /// The disk's.
    pub fn new(site: &Site, name: &str) -> Result<Authority> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let file = site.write(&format!("{name}.crt"), issuer.pem())?;
        Ok(Authority { issuer, file })
    }

    /// Signs a new certificate: `NAME.crt` and `NAME.key` of the site, as a whole each.
    ///
    /// # Errors
    /// The disk's, or a name that cannot be in a certificate.
    pub fn sign(&self, site: &Site, name: &str, is: &Is<'_>) -> Result<Files> {
        let key = KeyPair::generate()?;
        let pem = params(is)?.signed_by(&key, &self.issuer)?.pem();
        write(site, name, &pem, &key)
    }
}

impl Files {
    /// A certificate that its own key signed.
    ///
    /// # Errors
    /// As [`Authority::sign`].
    pub fn self_signed(site: &Site, name: &str, is: &Is<'_>) -> Result<Files> {
        let key = KeyPair::generate()?;
        let pem = params(is)?.self_signed(&key)?.pem();
        write(site, name, &pem, &key)
    }
}

fn params(is: &Is<'_>) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    let (name, purpose) = match is {
        Is::Server(names) => {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            params = CertificateParams::new(names)?;
            ("a server", ExtendedKeyUsagePurpose::ServerAuth)
        }
        Is::ExpiredServer(name) => {
            params = CertificateParams::new([(*name).to_owned()])?;
            params.not_after = date_time_ymd(2020, 1, 1);
            ("a server", ExtendedKeyUsagePurpose::ServerAuth)
        }
        Is::Client(name) | Is::ClientInFull(name) => (*name, ExtendedKeyUsagePurpose::ClientAuth),
        Is::ExpiredClient(name) => {
            params.not_after = date_time_ymd(2020, 1, 1);
            (*name, ExtendedKeyUsagePurpose::ClientAuth)
        }
        Is::ClientNamed(name) => {
            let name = (*name).try_into()?;
            params.subject_alt_names = vec![match name {
                name if contains(&name, "://") => SanType::URI(name),
                name if contains(&name, "@") => SanType::Rfc822Name(name),
                name => SanType::DnsName(name),
            }];
            ("cn", ExtendedKeyUsagePurpose::ClientAuth)
        }
    };
    params.distinguished_name = common_name(name);
    if let Is::ClientInFull(_) = is {
        params.distinguished_name.push(DnType::OrganizationName, "Ex, ample");
        params.distinguished_name.push(DnType::OrganizationalUnitName, " #1 \u{fc}<>~");
        params.distinguished_name.push(DnType::CountryName, "DE");
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 12]), "Countess");
        // RabbitMQ takes the years of two digits for those of this century.
        params.not_before = date_time_ymd(2026, 1, 2);
        params.not_after = date_time_ymd(2049, 11, 12);
    }
    params.extended_key_usages = vec![purpose];
    Ok(params)
}

fn contains(name: &rcgen::string::Ia5String, part: &str) -> bool {
    name.as_str().contains(part)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn write(site: &Site, name: &str, pem: &str, key: &KeyPair) -> Result<Files> {
    // The key first, as a careful tool does it; each appears as a whole.
    let key = replace(site, &format!("{name}.key"), &key.serialize_pem())?;
    let certificate = replace(site, &format!("{name}.crt"), pem)?;
    Ok(Files { certificate, key })
}

fn replace(site: &Site, name: &str, text: &str) -> Result<PathBuf> {
    let new = site.write(&format!("{name}.new"), text)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
    let path = site.path(Path::new(name));
    fs::rename(new, &path)?;
    Ok(path)
}
