//! Which of the two languages a text is in.

/// The two languages that one engine understands. What differs:
///
/// | | [`Jms`](Self::Jms) | [`AmqpSql`](Self::AmqpSql) |
/// | --- | --- | --- |
/// | `"a b"` | an identifier | a string |
/// | `[a b]` | refused | an identifier |
/// | `JMSPriority` | a field of the message | an application property |
/// | `amqp.priority` | a field of the message | refused |
/// | `header.priority`, `p.subject` | application properties with a dot | fields |
/// | `a.key` | an application property with a dot | the application property `key` |
/// | `0x0F`, `017`, `5L`, `1_000`, `2.5f` | numbers as Java's | octets, 17, refused |
/// | `UTC()`, `EXISTS(x)` | refused | milliseconds since 1970, `x IS NOT NULL` |
/// | `7 / 2` | 3 | 3.5 |
/// | `'7' <> 7` | false (JMS 2.0 §3.8.1.2) | true (RabbitMQ) |
/// | `1 IN (2, missing)` | unknown (SQL-92) | false (RabbitMQ) |
/// | the empty text | matches every message | refused |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// JMS 2.0 §3.8, as Qpid extends it: `apache.org:selector-filter:string`.
    Jms,
    /// AMQP Filter Expressions 1.0 §6, as RabbitMQ 4.2 has it: `amqp:sql-filter`.
    AmqpSql,
}
