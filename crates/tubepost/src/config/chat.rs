//! The options of webhooks, chats and browsers as the notifier's settings. A kind is set up when
//! its first option is said; an option of a kind that is not is refused, as it would do nothing.

use notify::{IrcSettings, MatrixSettings, NtfySettings, PushSettings, WebhookSettings};

use super::{fault::Fault, settings::Settings, table};

/// `[notify.webhook]`.
pub(super) fn webhook(settings: &Settings) -> Result<Option<WebhookSettings>, Fault> {
    let secret = settings.get(&table::WEBHOOK_SECRET)?;
    let secret_file = settings.get(&table::WEBHOOK_SECRET_FILE)?;
    if secret.is_none() && secret_file.is_none() {
        let others = ["private_addresses", "redirects_max", "timeout_s", "ca_file"];
        let mend = "set notify.webhook.secret_file, which webhooks are signed from";
        return unused(settings, "webhook", &others, mend);
    }
    Ok(Some(WebhookSettings {
        secret: secret.map(Into::into),
        secret_file,
        ca_file: settings.get(&table::WEBHOOK_CA_FILE)?,
        private_addresses: settings.need(&table::WEBHOOK_PRIVATE_ADDRESSES)?,
        redirects_max: settings.need(&table::WEBHOOK_REDIRECTS_MAX)?,
        timeout_s: settings.need(&table::WEBHOOK_TIMEOUT)?,
    }))
}

/// `[notify.ntfy]`.
pub(super) fn ntfy(settings: &Settings) -> Result<Option<NtfySettings>, Fault> {
    let Some(url) = settings.get(&table::NTFY_URL)? else {
        let others = ["token", "token_file", "timeout_s", "ca_file"];
        return unused(settings, "ntfy", &others, "set notify.ntfy.url");
    };
    Ok(Some(NtfySettings {
        url,
        token: settings.get(&table::NTFY_TOKEN)?.map(Into::into),
        token_file: settings.get(&table::NTFY_TOKEN_FILE)?,
        ca_file: settings.get(&table::NTFY_CA_FILE)?,
        timeout_s: settings.need(&table::NTFY_TIMEOUT)?,
    }))
}

/// `[notify.push]`.
pub(super) fn push(settings: &Settings) -> Result<Option<PushSettings>, Fault> {
    let Some(contact) = settings.get(&table::PUSH_CONTACT)? else {
        let others = ["key_file", "private_addresses", "timeout_s", "ca_file"];
        return unused(settings, "push", &others, "set notify.push.contact");
    };
    Ok(Some(PushSettings {
        contact,
        key_file: settings.need(&table::PUSH_KEY_FILE)?,
        ca_file: settings.get(&table::PUSH_CA_FILE)?,
        private_addresses: settings.need(&table::PUSH_PRIVATE_ADDRESSES)?,
        timeout_s: settings.need(&table::PUSH_TIMEOUT)?,
    }))
}

/// `[notify.irc]`.
pub(super) fn irc(settings: &Settings) -> Result<Option<IrcSettings>, Fault> {
    let Some(url) = settings.get(&table::IRC_URL)? else {
        let others = [
            "nick",
            "account",
            "password",
            "password_file",
            "certificate_file",
            "key_file",
            "burst_lines",
            "line_pause_ms",
            "timeout_s",
            "ca_file",
        ];
        return unused(settings, "irc", &others, "set notify.irc.url");
    };
    Ok(Some(IrcSettings {
        url,
        nick: settings.need(&table::IRC_NICK)?,
        account: settings.get(&table::IRC_ACCOUNT)?,
        password: settings.get(&table::IRC_PASSWORD)?.map(Into::into),
        password_file: settings.get(&table::IRC_PASSWORD_FILE)?,
        certificate_file: settings.get(&table::IRC_CERTIFICATE_FILE)?,
        key_file: settings.get(&table::IRC_KEY_FILE)?,
        ca_file: settings.get(&table::IRC_CA_FILE)?,
        burst_lines: settings.need(&table::IRC_BURST_LINES)?,
        line_pause_ms: settings.need(&table::IRC_LINE_PAUSE)?,
        timeout_s: settings.need(&table::IRC_TIMEOUT)?,
    }))
}

/// `[notify.matrix]`.
pub(super) fn matrix(settings: &Settings) -> Result<Option<MatrixSettings>, Fault> {
    let Some(url) = settings.get(&table::MATRIX_URL)? else {
        let others = [
            "token",
            "token_file",
            "user",
            "password",
            "password_file",
            "device",
            "plain_http",
            "timeout_s",
            "ca_file",
        ];
        return unused(settings, "matrix", &others, "set notify.matrix.url");
    };
    Ok(Some(MatrixSettings {
        url,
        token: settings.get(&table::MATRIX_TOKEN)?.map(Into::into),
        token_file: settings.get(&table::MATRIX_TOKEN_FILE)?,
        user: settings.get(&table::MATRIX_USER)?,
        password: settings.get(&table::MATRIX_PASSWORD)?.map(Into::into),
        password_file: settings.get(&table::MATRIX_PASSWORD_FILE)?,
        device: settings.need(&table::MATRIX_DEVICE)?,
        plain_http: settings.need(&table::MATRIX_PLAIN_HTTP)?,
        ca_file: settings.get(&table::MATRIX_CA_FILE)?,
        timeout_s: settings.need(&table::MATRIX_TIMEOUT)?,
    }))
}

fn unused<T>(
    settings: &Settings,
    kind: &str,
    options: &[&str],
    mend: &str,
) -> Result<Option<T>, Fault> {
    let said = options.iter().find_map(|option| settings.said(&format!("notify.{kind}.{option}")));
    match said {
        None => Ok(None),
        Some(said) => Err(Fault::at(&said.origin, format!("{kind} is not set up; {mend}"))),
    }
}
