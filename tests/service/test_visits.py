"""What comes in over HTTP is stored, processed and shown."""

from __future__ import annotations

import json
import re
import threading
from typing import Any

from visits_helpers import EXAMPLE, Service, StartService, until

from mainspring import component
from visits.geo import Countries, Country, FindCountry


def test_a_visit_is_answered_stored_and_given_its_country(service: Service) -> None:
    """A visit that is posted gets a number, and soon a country."""
    number = service.client.visit("/docs", "193.99.144.80")
    [visit] = service.client.processed()
    assert visit.pop("seen_at")
    assert visit == {
        "id": number,
        "path": "/docs",
        "ip": "193.99.144.80",
        "country": "Germany",
        "country_code": "DE",
        "times_processed": 1,
    }


def test_every_visit_of_the_data_file_is_processed_exactly_once(service: Service) -> None:
    """All visits of the data file are kept in order, and each is processed once."""
    sent = [json.loads(line) for line in (EXAMPLE / "visits.jsonl").read_text(encoding="utf-8").splitlines()]
    for visit in sent:
        service.client.visit(**visit)
    stored = service.client.processed()
    assert [{"path": visit["path"], "ip": visit["ip"]} for visit in stored] == sent
    assert {visit["times_processed"] for visit in stored} == {1}
    summary = service.client.get("/api/summary").data
    assert summary == {
        "stored": len(sent),
        "waiting": 0,
        "processed_once": len(sent),
        "processed_more_than_once": 0,
        "countries": 50,
    }


def test_countries_are_counted_most_first(service: Service) -> None:
    """The counts by country add up, and the largest comes first."""
    for ip in ("193.99.144.80", "8.8.8.8", "193.99.144.81", "10.0.0.1"):
        service.client.visit("/", ip)
    service.client.processed()
    assert service.client.get("/api/countries").data == [
        {"country_code": "DE", "country": "Germany", "visits": 2},
        {"country_code": None, "country": "Not public", "visits": 1},
        {"country_code": "US", "country": "United States", "visits": 1},
    ]


NO_VISITS: list[tuple[Any, int]] = [
    (b"", 400),
    (b"{", 400),
    (b"[" * 5000, 400),
    (b"\xff\xfe", 400),
    ([], 422),
    ({}, 422),
    ({"path": "/"}, 422),
    ({"path": "/", "ip": 1}, 422),
    ({"path": "/", "ip": "1.2.3"}, 422),
    ({"path": "/", "ip": "fe80::1%eth0"}, 422),
    ({"path": "", "ip": "9.9.9.9"}, 422),
    ({"path": "docs", "ip": "9.9.9.9"}, 422),
    ({"path": "/\x00", "ip": "9.9.9.9"}, 422),
    ({"path": "/\ud800", "ip": "9.9.9.9"}, 422),
    ({"path": "/" + "a" * 2000, "ip": "9.9.9.9"}, 422),
    ({"path": "/" + "a" * 9000, "ip": "9.9.9.9"}, 413),
]


def test_what_is_not_a_visit_is_refused_with_a_sentence(service: Service) -> None:
    """A request that is not a visit is answered with the reason, and nothing is stored."""
    for body, status in NO_VISITS:
        answer = service.client.post(body)
        assert answer.status == status, body
        assert re.fullmatch(r"(the|ip|path) .*", answer.data["error"]), body
    assert service.client.visits() == []


def test_a_limit_out_of_range_is_refused(service: Service) -> None:
    """The number of visits asked for must be one that makes sense."""
    for limit in ("0", "-1", "1001", "ten", "%C2%B2", "9" * 50, ""):
        assert service.client.get(f"/api/visits?limit={limit}").status == 422, limit


def test_an_ipv4_address_written_as_ipv6_counts_as_ipv4(service: Service) -> None:
    """A mapped address is stored, and looked up, as the IPv4 address that it is."""
    service.client.visit("/", "::ffff:193.99.144.80")
    [visit] = service.client.processed()
    assert (visit["ip"], visit["country_code"]) == ("193.99.144.80", "DE")


def test_the_page_shows_the_latest_visits_and_a_bar_for_each_country(service: Service) -> None:
    """The page has the visits, the countries with their bars, and the totals."""
    service.client.visit("/ürünler/çay", "193.99.144.80")
    service.client.visit("/b", "193.99.144.81")
    service.client.visit("/c", "2606:4700:4700::1111")
    service.client.processed()
    page = service.client.get("/")
    assert page.status == 200
    assert re.findall(r'<td class="path" title="[^"]*">([^<]*)</td>', page.text) == ["/c", "/b", "/ürünler/çay"]
    bars = re.findall(r'<th scope="row"><abbr[^>]*>(..)</abbr>([^<]*)</th>.*?<rect width="([\d.]+)%"', page.text)
    assert bars == [("DE", "Germany", "100.00"), ("US", "United States", "50.00")]
    assert re.findall(r"<dt>(\w+)</dt><dd>(\d+)", page.text) == [
        ("Stored", "3"),
        ("Processed", "3"),
        ("Waiting", "0"),
        ("Countries", "2"),
    ]


def test_the_page_without_visits_says_what_to_do(service: Service) -> None:
    """An empty page tells how to send a visit."""
    assert "No visits yet" in service.client.get("/").text


def test_what_visitors_send_cannot_become_part_of_the_page(start_service: StartService) -> None:
    """Paths and countries are escaped, and the page may load nothing from elsewhere."""
    evil = "<script>alert('\"&')</script>"

    @component
    def evil_countries() -> FindCountry:
        return lambda ip: Country("<b", evil)

    service = start_service({"geo.countries": evil_countries()})
    service.client.visit("/" + evil)
    service.client.processed()
    page = service.client.get("/")
    assert "alert" in page.text
    assert "<script>" not in page.text
    assert "<b<" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'self';")
    assert not re.search(r'(?:src|href)="(?!/)', page.text)


def test_what_the_page_needs_is_served_with_it(service: Service) -> None:
    """Style, script and icon come from the service itself."""
    wanted = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', service.client.get("/").text))
    assert len(wanted) == 3
    assert {service.client.get(path).status for path in wanted} == {200}


def test_the_look_up_knows_ipv4_ipv6_and_what_belongs_to_no_country() -> None:
    """The offline data gives countries for both kinds of address, and says so where there is none."""
    from visits.geo import NOT_PUBLIC, UNKNOWN, countries

    find: Countries = countries.function()
    assert find("193.99.144.80") == Country("DE", "Germany")
    assert find("2606:4700:4700::1111") == Country("US", "United States")
    for ip in ("10.1.2.3", "127.0.0.1", "203.0.113.9", "2001:db8::1", "fe80::1", "::1", "240.0.0.1"):
        assert find(ip) == NOT_PUBLIC
    assert find("2c00::1") == UNKNOWN


def test_visits_that_come_in_without_a_worker_are_processed_by_another_process(start_service: StartService) -> None:
    """A service without a worker takes visits; one that is nothing but a worker processes them."""
    web = start_service({"env.worker": False})
    web.client.visit("/")
    assert web.client.get("/api/summary").data["waiting"] == 1
    with web.live.definition.override({"env.worker": True}).started("geo.worker") as live:
        assert [visit["times_processed"] for visit in web.client.processed()] == [1]
        assert live.state("web.server") == "defined"


def test_two_services_share_the_visits_of_one_database(start_service: StartService) -> None:
    """Two workers are at work on different visits at the same time, and no visit is processed twice."""
    together = threading.Barrier(2, timeout=20)
    asked: list[str] = []

    @component
    def meeting_countries() -> FindCountry:
        def find(ip: str) -> Country:
            asked.append(ip)
            together.wait()
            return Country("XX", "Nowhere")

        return find

    first = start_service({"geo.countries": meeting_countries()})
    second = start_service({"geo.countries": meeting_countries()})
    ips = [f"9.9.9.{number}" for number in range(40)]
    for ip in ips:
        first.client.visit("/", ip)
    assert {visit["times_processed"] for visit in second.client.processed()} == {1}
    assert sorted(asked) == sorted(ips)
    until(lambda: [each.live["geo.worker"].processed for each in (first, second)] == [20, 20], "an even share")
