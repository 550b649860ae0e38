"""Rights, limits and policies, as tests/data/differential_definitions.json gives them to both."""

from differential.script import script

LIMITED = {"user": "limited", "password": "limited"}


def names_rights(stage):
    """RabbitMQ says which right is missing from 3.11 on."""
    stage.adds("named-rights", r"(configure|write|read) (?=access to )")


@script
def who_may_not_come_in_is_told_so(stage):
    for who in [{"user": "outsider", "password": "outsider"}, {**LIMITED, "vhost": "small"},
                {**LIMITED, "vhost": "nowhere"}, {"vhost": "closed"}]:
        connection = stage.connect_raw(**who)
        connection.greeting_shown = False
        connection.greet().log_in().tune().open()
        connection.expect_end()


@script
def each_operation_asks_for_its_right(stage):
    names_rights(stage)
    mine, foreign = stage.name("mine"), stage.name("foreign")
    owner = stage.channel()
    owner.call("queue.declare", queue=foreign)
    owner.call("exchange.declare", exchange=foreign, type="direct")
    connection = stage.connect(**LIMITED)
    calls = [
        ("queue.declare", {"queue": mine}), ("queue.declare", {"queue": stage.name("new")}),
        ("queue.declare", {"queue": foreign}), ("queue.declare", {"queue": ""}),
        ("queue.declare", {"queue": foreign, "passive": True}),
        ("exchange.declare", {"exchange": mine, "type": "direct"}),
        ("exchange.declare", {"exchange": stage.name("new"), "type": "direct"}),
        ("exchange.declare", {"exchange": foreign, "passive": True}),
        ("queue.bind", {"queue": mine, "exchange": mine}),
        ("queue.bind", {"queue": foreign, "exchange": mine}),
        ("queue.bind", {"queue": mine, "exchange": foreign}),
        ("queue.unbind", {"queue": mine, "exchange": foreign}),
        ("exchange.bind", {"destination": mine, "source": foreign}),
        ("exchange.bind", {"destination": foreign, "source": mine}),
        ("queue.purge", {"queue": foreign}), ("queue.delete", {"queue": foreign}),
        ("exchange.delete", {"exchange": foreign}), ("basic.get", {"queue": foreign}),
        ("basic.consume", {"queue": foreign}), ("basic.get", {"queue": mine}),
        ("queue.delete", {"queue": mine}), ("exchange.delete", {"exchange": mine}),
    ]
    for number, (method, arguments) in enumerate(calls, 1):
        connection.channel(number).call(method, **arguments)


@script
def publishing_asks_for_the_right_to_write(stage):
    names_rights(stage)
    mine, foreign = stage.name("mine"), stage.name("foreign")
    owner = stage.channel()
    for exchange in [mine, foreign]:
        owner.call("exchange.declare", exchange=exchange, type="direct")
    connection = stage.connect(**LIMITED)
    for number, exchange in enumerate([mine, "", foreign, "none", "amq.direct"], 1):
        channel = connection.channel(number)
        channel.publish(exchange, "k", "asked")
        channel.sync()


@script
def topics_have_rights_of_their_own(stage):
    names_rights(stage)
    connection = stage.connect(**LIMITED)
    queue = stage.queue(connection.channel(1), "mine")
    for number, key in enumerate(["limited.ok", "other.no", "limited", ""], 2):
        channel = connection.channel(number)
        channel.publish("amq.topic", key, "asked")
        channel.sync()
    channel = connection.channel(6)
    with stage.differs("rights-of-copies", "declare-ok", "access to topic 'other.no'"):
        channel.publish("amq.topic", "limited.ok", "asked", headers={"CC": ["other.no"]})
        channel.sync()
    for number, key in enumerate(["open.ok", "#", "limited.ok"], 7):
        connection.channel(number).call("queue.bind", queue=queue, exchange="amq.topic",
                                        routing_key=key)
    connection.channel(10).call("queue.unbind", queue=queue, exchange="amq.topic",
                                routing_key="limited.ok")


@script
def where_the_dead_and_the_unrouted_go_has_to_be_allowed(stage):
    names_rights(stage)
    connection = stage.connect(**LIMITED)
    for number, target in enumerate(["mine-anything", "foreign", "amq.direct", ""], 1):
        connection.channel(number).call(
            "queue.declare", queue=stage.name(f"mine-q{number}"),
            arguments={"x-dead-letter-exchange": target})
        connection.channel(10 + number).call(
            "exchange.declare", exchange=stage.name(f"mine-x{number}"), type="direct",
            arguments={"alternate-exchange": target})


@script
def an_impersonator_may_say_who_it_was(stage):
    channel = stage.channel(user="stand-in", password="stand-in")
    queue = stage.queue(channel)
    channel.publish("", queue, "said to be ada's", user_id="ada")
    stage.drain(channel, queue)


@script
def a_virtual_host_has_room_for_so_many_queues(stage):
    connection = stage.connect(vhost="small")
    channel = connection.channel(1)
    channel.call("queue.declare", queue="only", exclusive=True)
    channel.call("queue.declare", queue="only", exclusive=True)
    connection.channel(2).call("queue.declare", queue="one too many", exclusive=True)


@script
def a_policy_gives_a_queue_its_arguments(stage):
    channel = stage.channel()
    brief = stage.queue(channel, "brief")
    channel.publish("", brief, "gone soon")
    stage.until(brief, 0)
    long = stage.queue(channel, "brief-not", arguments={"x-message-ttl": 60000})
    channel.publish("", long, "gone as soon")
    stage.until(long, 0)
    # Declared again it is the same: a policy is no argument.
    channel.call("queue.declare", queue=brief)


@script
def an_operators_policy_bounds_what_a_policy_and_a_client_ask_for(stage):
    channel = stage.channel()
    for noun, arguments in [("bounded", {}), ("bounded-more", {"x-max-length": 10}),
                            ("bounded-less", {"x-max-length": 1})]:
        queue = stage.queue(channel, noun, arguments=arguments)
        for number in range(4):
            channel.publish("", queue, str(number))
        stage.drain(channel, queue)


@script
def of_several_policies_the_highest_counts_alone(stage):
    channel = stage.channel()
    queue = stage.queue(channel, "both")
    for body in ["1", "2", "3", "4"]:
        channel.publish("", queue, body)
    stage.drain(channel, queue)


@script
def a_policy_says_where_the_dead_and_the_unrouted_go(stage):
    stage.adds("last-death-headers", r", x-last-death-(exchange|queue|reason): '[^']*'")
    channel = stage.channel()
    rest, queue = stage.queue(channel, "rest"), stage.queue(channel, "mourned")
    channel.call("queue.bind", queue=rest, exchange="amq.fanout")
    channel.publish("", queue, "dead")
    channel.get(queue)
    channel.reject(channel.tag())
    stage.until(rest, 1)
    exchange = stage.exchange(channel, "direct", "kept")
    channel.publish(exchange, "nowhere", "unrouted")
    stage.drain(channel, rest)
    # What a client asks for goes before a policy.
    own = stage.queue(channel, "mourned-own", arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": rest})
    channel.publish("", own, "dead")
    channel.get(own)
    channel.reject(channel.tag())
    stage.until(rest, 1)
    stage.drain(channel, rest)
