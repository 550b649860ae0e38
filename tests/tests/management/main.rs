//! The HTTP API as its tools see it: `rabbitmqadmin` unmodified, the same calls on RabbitMQ and
//! here, who may what, what is open, and what strangers send.

mod against_rabbitmq;
mod calls;
mod detailed;
mod hostile;
mod open;
mod rabbitmqadmin;
mod rights;
mod tools;
