//! Consumers, as their queues know them.

use broker::authorize::{Action, Resource};

use crate::{
    answer::Outcome,
    call::Call,
    list::{self, Row},
    view::View,
};

/// `GET /api/consumers`, `/api/consumers/VHOST`.
pub(crate) fn list(call: &Call) -> Outcome {
    let view = View::of(&call.site);
    let mut rows = Vec::new();
    for vhost in call.vhosts_at(0)? {
        for queue in super::queue::shown(&vhost) {
            for report in queue.consumers() {
                let user = view.connection_of(report.consumer.mailbox());
                let user = user.map_or("", |connection| &connection.facts.user);
                if !call.may(Action::SeeConnection, &Resource::ConnectionOf(user)) {
                    continue;
                }
                let (view, tag) = (view.clone(), report.consumer.tag().to_string());
                rows.push(Row::new(tag, move || view.consumer(&report)));
            }
        }
    }
    list::answer(rows, &call.query)
}
