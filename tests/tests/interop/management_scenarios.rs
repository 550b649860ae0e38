//! Management over AMQP 1.0: RabbitMQ's own client for Python, and Qpid's `$management` by proton.

use anyhow::Result;

use super::proton_scenarios::with_api;

#[test]
fn rabbitmqs_client_of_amqp_10_works_against_tubepost() -> Result<()> {
    with_api("rabbitmq_amqp_scenarios.py")
}

#[test]
fn proton_reads_qpids_management() -> Result<()> {
    with_api("proton_management.py")
}
