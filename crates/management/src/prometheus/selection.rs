//! What `/metrics/detailed` is asked for: families, and virtual hosts, each as often as one likes.

use crate::query::Query;

/// Which of the families RabbitMQ has are wanted, and of which virtual hosts.
#[derive(Debug)]
pub(super) struct Selection {
    families: Vec<String>,
    /// None: of all.
    vhosts: Vec<String>,
}

impl Selection {
    /// Of `?family=queue_coarse_metrics&family=channel_metrics&vhost=ci`; the ending `_metrics` may
    /// be left out.
    pub(super) fn of(query: &Query) -> Selection {
        let name = |text: &str| text.trim_end_matches("_metrics").to_owned();
        let families = query.all("family").map(name).collect();
        Selection { families, vhosts: query.all("vhost").map(str::to_owned).collect() }
    }

    /// Whether a metric is wanted. Without a family none is but what says who it is.
    pub(super) fn takes(&self, metric: &str) -> bool {
        is_of_all(metric) || self.families.iter().any(|family| is_in(metric, family))
    }

    /// Whether a sample is of a virtual host that is wanted, or of none.
    pub(super) fn takes_labels(&self, labels: &[(&str, &str)]) -> bool {
        let vhost = labels.iter().find(|(name, _)| *name == "vhost");
        self.vhosts.is_empty()
            || vhost.is_none_or(|(_, vhost)| self.vhosts.iter().any(|it| it == vhost))
    }

    /// The name of a metric among the detailed ones.
    pub(super) fn name(metric: &str) -> String {
        match metric.strip_prefix("rabbitmq_").filter(|_| !is_of_all(metric)) {
            Some(rest) => format!("rabbitmq_detailed_{rest}"),
            None => metric.to_owned(),
        }
    }
}

fn is_of_all(metric: &str) -> bool {
    matches!(metric, "rabbitmq_identity_info" | "rabbitmq_build_info")
}

/// Whether a metric is in a family (RabbitMQ: `prometheus_rabbitmq_core_metrics_collector`).
fn is_in(metric: &str, family: &str) -> bool {
    let Some(metric) = metric.strip_prefix("rabbitmq_") else { return false };
    let is_coarse =
        matches!(metric, "queue_messages" | "queue_messages_ready" | "queue_messages_unacked");
    let of_channel = metric.strip_prefix("channel_");
    let starts = |beginnings: &[&str]| beginnings.iter().any(|it| metric.starts_with(it));
    let goes_through =
        |ways: &[&str]| of_channel.is_some_and(|rest| ways.iter().any(|way| rest.starts_with(way)));
    let to_exchange =
        || goes_through(&["messages_published", "messages_confirmed", "messages_unroutable"]);
    let from_queue = || {
        let ways = ["messages_delivered", "messages_acked", "messages_redelivered", "get_empty"];
        goes_through(&ways)
    };
    match family {
        "queue_coarse" => is_coarse,
        "queue_consumer_count" => metric == "queue_consumers",
        "queue" => metric.starts_with("queue_") && !is_coarse,
        "exchange" => metric.starts_with("exchange_"),
        "connection_coarse" => starts(&["connection_incoming_bytes", "connection_outgoing_bytes"]),
        "connection" => metric.starts_with("connection_"),
        "connection_churn" => {
            metric.ends_with("_opened_total") || metric.ends_with("_closed_total")
        }
        "channel" => {
            (of_channel.is_some() && !to_exchange() && !from_queue())
                || metric == "consumer_prefetch"
        }
        "channel_exchange" => to_exchange(),
        "channel_queue" => from_queue(),
        "auth_attempt" => metric.starts_with("auth_attempts"),
        "node_coarse" => starts(&["process_", "disk_space_", "resident_memory_"]),
        "node" => starts(&["process_", "disk_space_", "resident_memory_", "erlang_uptime"]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_takes_its_metrics_and_no_others() {
        let selection = |query: &str| Selection::of(&Query::parse(query));
        let coarse =
            selection("family=queue_coarse_metrics&family=channel_exchange&vhost=a&vhost=b");
        assert!(coarse.takes("rabbitmq_queue_messages_ready"));
        assert!(coarse.takes("rabbitmq_channel_messages_published_total"));
        assert!(!coarse.takes("rabbitmq_queue_messages_ready_bytes"));
        assert!(!coarse.takes("rabbitmq_channel_messages_unacked"));
        assert!(coarse.takes_labels(&[("queue", "q"), ("vhost", "b")]));
        assert!(!coarse.takes_labels(&[("vhost", "c")]));
        assert!(coarse.takes_labels(&[]));
        let none = selection("");
        assert!(none.takes("rabbitmq_build_info") && !none.takes("rabbitmq_queues"));
        assert!(none.takes_labels(&[("vhost", "c")]));
        let name = Selection::name("rabbitmq_queue_messages");
        assert_eq!(name, "rabbitmq_detailed_queue_messages");
        assert_eq!(Selection::name("rabbitmq_build_info"), "rabbitmq_build_info");
    }
}
