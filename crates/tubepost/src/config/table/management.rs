//! The options of the management API.

use super::checks::management_url;
use crate::{
    config::declared::{Declaration, Declared, Fallback, Mask, Verb},
    management_client::ManagementUrl,
};

pub(crate) static MANAGEMENT_URL: Declared<ManagementUrl> = Declared {
    declaration: Declaration {
        key: "management.url",
        flag: Some("url"),
        variable: "TUBEPOST_MANAGEMENT_URL",
        value: "URL",
        default: Fallback::Unset("the socket management.sock of data_dir"),
        help: "The management API of another broker, a Tubepost or a RabbitMQ. A flag is seen by \
               all who may list processes: a password is better set by the variable",
        example: "https://ada:secret@mq.example.org:15671",
        mask: Mask::UrlPassword,
        verbs: &[Verb::Config, Verb::Management],
    },
    parse: management_url,
};
