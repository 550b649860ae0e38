//! The checks of the table's values. A fault reads behind the quoted text: `is not …: expected …`.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use client::parse_size;
use event::Topic;
use intake::git::{NamespaceRule, UrlTemplate};

use crate::{config::duration::parse_duration, management_client::ManagementUrl};

pub(super) fn text(text: &str) -> Result<String, String> {
    match text.chars().any(char::is_control) {
        true => Err("has a control character: expected one line of text".to_owned()),
        false => Ok(text.to_owned()),
    }
}

pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    match text.is_empty() || text.contains('\0') {
        true => Err("is not a path: expected one such as /srv/tubepost".to_owned()),
        false => Ok(text.into()),
    }
}

pub(super) fn socket_mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("is not a mode: expected three octal digits such as 660".to_owned()),
    }
}

pub(super) fn host(text: &str) -> Result<String, String> {
    let named = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    match !text.is_empty() && text.chars().all(named) {
        true => Ok(text.to_owned()),
        false => Err("is not a host: expected a name such as mail.example.org".to_owned()),
    }
}

pub(super) fn port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err("is not a port: expected a number from 1 to 65535".to_owned()),
    }
}

pub(super) fn count(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| "is not a number: expected one from 1 to 4294967295".to_owned())
}

pub(super) fn log_level(text: &str) -> Result<String, String> {
    tracing_subscriber::EnvFilter::builder()
        .parse(text)
        .map(|_| text.to_owned())
        .map_err(|error| format!("is not a log level: {error}; expected one such as info"))
}

pub(super) fn heartbeat(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    let whole = duration.subsec_nanos() == 0 && duration.as_secs() <= u16::MAX.into();
    match whole {
        true => Ok(duration),
        false => Err("is not a heartbeat: expected whole seconds, at most 65535s".to_owned()),
    }
}

pub(super) fn positive_duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("is too short: expected more than 0s".to_owned()),
        duration => Ok(duration),
    }
}

pub(super) fn sync_interval(text: &str) -> Result<Duration, String> {
    let bounds = Duration::from_millis(1)..=Duration::from_secs(60);
    match parse_duration(text)? {
        duration if bounds.contains(&duration) => Ok(duration),
        _ => Err("is out of bounds: expected 1ms to 60s".to_owned()),
    }
}

pub(super) fn refresh_interval(text: &str) -> Result<Duration, String> {
    let bounds = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
    match parse_duration(text)? {
        duration if bounds.contains(&duration) => Ok(duration),
        _ => Err("is out of bounds: expected 1s to 24h".to_owned()),
    }
}

pub(super) fn whole_seconds(text: &str) -> Result<u16, String> {
    let duration = positive_duration(text)?;
    let whole = duration.subsec_nanos() == 0;
    u16::try_from(duration.as_secs())
        .ok()
        .filter(|_| whole)
        .ok_or_else(|| "is not whole seconds: expected 1s to 65535s".to_owned())
}

pub(super) fn mail_patch(text: &str) -> Result<u32, String> {
    u32::try_from(parse_size(text)?)
        .map_err(|_| "is too large: expected less than 4 GiB".to_owned())
}

pub(super) fn mail_connections(text: &str) -> Result<u8, String> {
    match text.parse() {
        Ok(count @ 1..=32) => Ok(count),
        _ => Err("is not a number of connections: expected 1 to 32".to_owned()),
    }
}

// AMQP 0-9-1 §4.2.3: at least 4096. Above 16 MiB a frame holds up too much behind it.
pub(super) fn frame_max(text: &str) -> Result<u32, String> {
    match parse_size(text)? {
        size @ 4096..=0x100_0000 => Ok(u32::try_from(size).unwrap_or(u32::MAX)),
        _ => Err("is out of bounds: expected 4 KiB to 16 MiB".to_owned()),
    }
}

// Below 64 KiB making segments is most of the work; the journal's offsets end at 2 GiB.
pub(super) fn segment_size(text: &str) -> Result<u32, String> {
    match parse_size(text)? {
        size @ 0x1_0000..=0x8000_0000 => Ok(u32::try_from(size).unwrap_or(u32::MAX)),
        _ => Err("is out of bounds: expected 64 KiB to 2 GiB".to_owned()),
    }
}

pub(super) fn channel_max(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(max) if max > 0 => Ok(max),
        _ => Err("is not a number: expected one from 1 to 65535".to_owned()),
    }
}

// Names of the server's own making have 30 bytes.
pub(super) fn name_bytes(text: &str) -> Result<u8, String> {
    match text.parse() {
        Ok(max @ 32..=u8::MAX) => Ok(max),
        _ => Err("is not a number of bytes: expected one from 32 to 255".to_owned()),
    }
}

// The header of dead letters, an array of tables with an array, has 3; deeper than 32 is nowhere
// read.
pub(super) fn table_depth(text: &str) -> Result<u8, String> {
    match text.parse() {
        Ok(max @ 3..=32) => Ok(max),
        _ => Err("is not a depth: expected one from 3 to 32".to_owned()),
    }
}

pub(super) fn on_or_off(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "is neither: expected true or false".to_owned())
}

pub(super) fn redirects(text: &str) -> Result<u8, String> {
    match text.parse() {
        Ok(count @ 0..=5) => Ok(count),
        _ => Err("is not a number of redirects: expected 0 to 5".to_owned()),
    }
}

pub(super) fn iterations(text: &str) -> Result<auth::Iterations, String> {
    text.parse().ok().and_then(auth::Iterations::new).ok_or_else(|| {
        let (least, most) = (auth::Iterations::MIN, auth::Iterations::MAX);
        format!("is not a number of rounds: expected one from {least} to {most}")
    })
}

pub(super) fn user_name(text: &str) -> Result<String, String> {
    match !text.is_empty()
        && text.trim() == text
        && !text.chars().any(char::is_control)
        && text.len() <= 255
    {
        true => Ok(text.to_owned()),
        false => Err("is not the name of a user".to_owned()),
    }
}

/// AMQP 0-9-1 and 1.0, each without and with TLS.
const BUS_SCHEMES: [&str; 4] = ["amqp://", "amqps://", "amqp10://", "amqps10://"];

pub(super) fn bus_url(text: &str) -> Result<String, String> {
    match BUS_SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
        true => Ok(text.to_owned()),
        false => Err("is not the address of a bus: expected one such as \
                      amqp://user:password@host:5672/vhost"
            .to_owned()),
    }
}

pub(super) fn management_url(text: &str) -> Result<ManagementUrl, String> {
    text.parse().map_err(|reason| {
        format!(
            "is not the address of a management API, {reason}: expected one such as \
             http://user:password@host:15672"
        )
    })
}

pub(super) fn web_address(text: &str) -> Result<String, String> {
    match text.starts_with("http://") || text.starts_with("https://") {
        true => Ok(text.to_owned()),
        false => Err("is not a web address: expected http:// or https://".to_owned()),
    }
}

pub(super) fn irc_server(text: &str) -> Result<String, String> {
    match text.starts_with("irc://") || text.starts_with("ircs://") {
        true => Ok(text.to_owned()),
        false => Err("is not an IRC server: expected ircs:// or irc://".to_owned()),
    }
}

pub(super) fn irc_burst(text: &str) -> Result<u8, String> {
    match text.parse() {
        Ok(count @ 1..=100) => Ok(count),
        _ => Err("is not a number of lines: expected 1 to 100".to_owned()),
    }
}

pub(super) fn irc_line_pause(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(pause @ 0..=10_000) => Ok(pause),
        _ => Err("is not a pause: expected 0 to 10000 milliseconds".to_owned()),
    }
}

pub(super) fn topic_prefix(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let prefix = text.trim_end_matches('.');
    match prefix.parse::<Topic>() {
        Ok(_) if prefix.len() <= 128 => Ok(prefix.to_owned()),
        _ => Err("is not a topic prefix: expected dotted words such as org.example".to_owned()),
    }
}

pub(super) fn url_template(text: &str) -> Result<UrlTemplate, String> {
    text.parse().map_err(|error: intake::Error| error.to_string())
}

pub(super) fn namespace(text: &str) -> Result<NamespaceRule, String> {
    match text {
        "none" => Ok(NamespaceRule::None),
        "parent" => Ok(NamespaceRule::Parent),
        _ => match text.strip_prefix("below:") {
            Some(root) if root.starts_with('/') => Ok(NamespaceRule::Below(root.into())),
            _ => Err("is not a rule: expected none, parent or below:/srv/git".to_owned()),
        },
    }
}
