"""The same scripts, frame by frame, against RabbitMQ and Tubepost; every reply is compared.

`script` and `transcript` hold what is recorded, `session` the peer that records it, `scripts` what
is said to the brokers, `comparison` the verdict. What may differ is in docs/differences.md.
"""
