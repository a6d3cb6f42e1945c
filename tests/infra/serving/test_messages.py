"""What the server's processes hear of each other."""

from intonaco.infra.serving.wire.messages import Remove, Want, pair, receive, send


def test_a_message_comes_whole() -> None:
    here, there = pair()
    with here, there:
        send(there, Want("eta"))
        assert receive(here, Want) == (Want("eta"), [])


def test_an_end_that_closed_is_gone() -> None:
    here, there = pair()
    with here:
        there.close()
        assert receive(here, Want) == (None, [])


def test_an_end_that_closed_before_it_read_is_gone() -> None:
    here, there = pair()
    with here:
        send(here, Remove("eta"))
        there.close()
        assert receive(here, Want) == (None, [])
