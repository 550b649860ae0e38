//! Who asks, of what, and the rules for names that come before any right.

use std::sync::Arc;

use broker::{Access, ConnectionId, VirtualHost};

use super::answer::{Refusal, Status};
use crate::Limits;

/// Who makes a request, and where.
pub(super) struct Call<'a> {
    pub(super) access: &'a mut Access,
    pub(super) connection: ConnectionId,
    pub(super) limits: &'a Limits,
    /// This broker's name.
    pub(super) node: &'a str,
}

impl Call<'_> {
    pub(super) fn vhost(&self) -> &Arc<VirtualHost> {
        self.access.vhost()
    }

    /// A queue or exchange as RabbitMQ names it in a refusal.
    pub(super) fn resource(&self, kind: &str, name: &str) -> String {
        format!("{kind} '{name}' in vhost '{}'", self.vhost().name())
    }

    pub(super) fn not_found(&self, kind: &str, name: &str) -> Refusal {
        Refusal::Answered(Status::NotFound, format!("{} not found", self.resource(kind, name)))
    }

    /// RabbitMQ: names that begin with `amq.` are its own.
    pub(super) fn check_reserved(&self, kind: &str, name: &str) -> Result<(), Refusal> {
        if !name.starts_with("amq.") {
            return Ok(());
        }
        let text = format!("{} starts with reserved prefix 'amq.'", self.resource(kind, name));
        Err(Refusal::Answered(Status::Forbidden, text))
    }

    /// What the name of something new has to be.
    pub(super) fn check_new_name(&self, kind: &str, name: &str) -> Result<(), Refusal> {
        check_line_breaks(name)?;
        self.check_reserved(kind, name)?;
        let max = self.limits.name_bytes_max;
        match name.len() <= usize::from(max) {
            true => Ok(()),
            false => Err(Refusal::bad_request(format!(
                "{kind} name of {} bytes is longer than configured max {max} \
                 (amqp.name_bytes_max)",
                name.len()
            ))),
        }
    }
}

/// RabbitMQ: by AMQP 0-9-1 line breaks are taken out of names, here they are refused.
pub(super) fn check_line_breaks(name: &str) -> Result<(), Refusal> {
    match name.contains(['\r', '\n']) {
        false => Ok(()),
        true => Err(Refusal::bad_request(format!(
            "Bad name '{name}': line feed and carriage return characters not allowed"
        ))),
    }
}

/// The default exchange is as it is.
pub(super) fn refuse_default(exchange: &str) -> Result<(), Refusal> {
    match exchange.is_empty() {
        false => Ok(()),
        true => {
            let text = "operation not permitted on the default exchange".to_owned();
            Err(Refusal::Answered(Status::Forbidden, text))
        }
    }
}
