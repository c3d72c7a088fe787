"""One believable view for each thing the shopper's screen has to show; for tests and `show_screen.py`."""

from __future__ import annotations

from typing import Any

import msgspec

from cart.core.catalog import Catalog, Item
from cart.core.ledger import InterventionKind, Phase, Stage
from cart.core.receipt import Receipt, ReceiptLine, ReceiptTax, ReceiptTender
from cart.core.view import (
    CandidateView,
    InterventionView,
    LineView,
    NoticeView,
    PaymentView,
    ProduceView,
    TenderView,
    TripView,
    WeightView,
)

TRIP_ID = "t-7Q2M9K"


def line(number: int, name: str, each_minor: int, **changes: Any) -> LineView:
    """A confirmed line of one unit; `changes` are fields of `LineView`."""
    base = LineView(
        line=number,
        sku=f"{number:04d}",
        name=name,
        names={},
        units=1,
        placed=1,
        unit="each",
        unit_price_minor=each_minor,
        weight_g=None,
        price_minor=each_minor,
        savings_minor=0,
        deposit_minor=0,
        state="confirmed",
        proof="weighed",
    )
    return msgspec.structs.replace(base, **changes)


MILK = line(
    1, "Whole milk 1 l", 149, units=2, placed=2, price_minor=268, savings_minor=30, names={"de": "Vollmilch 1 l"}
)
BREAD = line(2, "Sourdough loaf 800 g", 395)
BANANAS = line(3, "Bananas", 189, unit="kg", weight_g=842.0, price_minor=159)
PASTA = line(4, "Spaghetti No. 5, 500 g", 129, units=3, placed=1, price_minor=387, state="pending", proof=None)
WATER = line(5, "Sparkling water 6 × 1.5 l", 414, deposit_minor=150, price_minor=564)
YOGHURT = line(6, "Greek style yoghurt with honey 450 g", 279, state="pending", placed=0, proof=None, saving=True)
CARD = line(7, "Birthday card", 250, proof="scanned_only")
LONG = line(8, f"Organic Mediterranean couscous salad {'with roasted peppers, courgettes and mint ' * 3}500 g", 499)
LINES = [MILK, BREAD, BANANAS, PASTA, WATER, CARD]


def question(
    kind: InterventionKind, choices: list[str], *, stage: Stage = "question", number: int = 1, **changes: Any
) -> InterventionView:
    """An open intervention; `changes` are fields of `InterventionView`."""
    base = InterventionView(
        id=number, kind=kind, stage=stage, sku=None, line=None, name=None, candidates=[], choices=choices, delta_g=None,
        reason="",
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


def candidate(choice: str, name: str, price_minor: int) -> CandidateView:
    return CandidateView(choice=choice, sku=choice.partition(":")[2], name=name, names={}, price_minor=price_minor)


GUESSES = [
    candidate("sku:0011", "Red lentils 500 g", 219),
    candidate("sku:0012", "Chickpeas 400 g tin", 95),
    candidate("sku:0013", "Basmati rice 1 kg", 349),
]
FITTING = [candidate("line:4", "Spaghetti No. 5, 500 g", 129), candidate("line:2", "Sourdough loaf 800 g", 395)]


def view(phase: Phase = "shopping", lines: list[LineView] | None = None, **changes: Any) -> TripView:
    """A quiet trip in `phase`; `changes` are fields of `TripView`."""
    shown = LINES if lines is None else lines
    base = TripView(
        revision=1,
        phase=phase,
        trip_id=None if phase == "idle" else TRIP_ID,
        training=False,
        online=True,
        locked=False,
        currency="EUR",
        locale="en_IE",
        language="en",
        languages=["en", "de", "fr", "es"],
        lines=shown,
        units=sum(each.units for each in shown),
        total_minor=sum(each.price_minor for each in shown),
        savings_minor=sum(each.savings_minor for each in shown),
        tax_minor=214,
        interventions=[],
        weight=WeightView(net_g=0.0, stable=True, over_capacity=False),
        produce=None,
        own_bag_waiting=False,
        notices=[],
        payment=None,
        receipt=None,
        can_checkout=True,
        checkout_waits_for=[],
        methods=["card", "wallet", "till"],
    )
    return msgspec.structs.replace(base, **changes)


def asking(*open_now: InterventionView, **changes: Any) -> TripView:
    return view(interventions=list(open_now), can_checkout=False, checkout_waits_for=["pending_items"], **changes)


def paying(state: Any, **changes: Any) -> PaymentView:
    base = PaymentView(attempt_id=f"{TRIP_ID}.1", state=state, amount_minor=2023)
    return msgspec.structs.replace(base, **changes)


def part_paid(state: Any, **changes: Any) -> PaymentView:
    """Benefits have paid some of it; the rest is asked for."""
    fields: dict[str, Any] = {"method": "ebt", "paid": [TenderView(method="ebt", amount_minor=1209)], "rest_minor": 814}
    return paying(state, **(fields | changes))


def produce(**changes: Any) -> ProduceView:
    base = ProduceView(
        line=9, sku="4017", name="Granny Smith apples", unit_price_minor=299, net_g=None, stable=False, price_minor=None
    )
    return msgspec.structs.replace(base, **changes)


PROOFS = {None: "shopper", "weighed": "weighed", "scanned_only": "scanned_only"}
RECEIPT = Receipt(
    trip_id=TRIP_ID,
    attempt_id=f"{TRIP_ID}.1",
    store_id="store-1",
    cart_id="cart-1",
    currency="EUR",
    locale="en_IE",
    language="en",
    lines=[
        ReceiptLine(
            sku=each.sku, name=each.name, units=each.units, unit=each.unit, unit_price_minor=each.unit_price_minor,
            weight_g=each.weight_g, price_minor=each.price_minor, savings_minor=each.savings_minor,
            deposit_minor=each.deposit_minor, tax="A" if each.line % 2 else "Z", proof=PROOFS[each.proof],  # type: ignore[arg-type]
        )
        for each in LINES
    ],
    savings_minor=30,
    total_minor=2023,
    taxes=[
        ReceiptTax(tax="A", rate_bp=1350, included=True, gross_minor=1141, tax_minor=136),
        ReceiptTax(tax="Z", rate_bp=0, included=True, gross_minor=882, tax_minor=0),
    ],
    method="card",
    reference="A-55071",
    staff_interventions=1,
)  # fmt: skip

SPLIT_RECEIPT = msgspec.structs.replace(
    RECEIPT,
    tenders=[
        ReceiptTender(attempt_id=f"{TRIP_ID}.1", method="ebt", amount_minor=1209, reference="E-10442"),
        ReceiptTender(attempt_id=f"{TRIP_ID}.2", method="card", amount_minor=814, reference="A-55071"),
    ],
)

CATALOG = Catalog(
    version=12,
    currency="EUR",
    locale="en_IE",
    taxes={},
    items=(
        Item(sku="0001", name="Whole milk 1 l", price_minor=149),
        *(
            Item(sku=plu, name=name, plu=plu, unit="kg", price_minor=price_minor, names={"de": german})
            for plu, name, german, price_minor in (
                ("4017", "Granny Smith apples", "Äpfel Granny Smith", 299),
                ("4011", "Bananas", "Bananen", 189),
                ("4087", "Tomatoes", "Tomaten", 349),
                ("4062", "Cucumber", "Gurken", 249),
                ("4093", "Onions", "Zwiebeln", 119),
                ("4072", "Potatoes", "Kartoffeln", 139),
                ("4048", "Limes", "Limetten", 499),
                ("4012", "Oranges", "Orangen", 229),
                ("4022", "White seedless grapes", "Trauben, weiß, kernlos", 549),
                ("4562", "Carrots", "Karotten", 129),
                ("4608", "Garlic", "Knoblauch", 899),
                ("4065", "Green peppers", "Paprika, grün", 399),
                ("4409", "Pears", "Birnen", 319),
                ("4225", "Avocado", "Avocado", 799),
            )
        ),
    ),
)

STATES: dict[str, TripView] = {
    "idle": view("idle", []),
    "idle_de": view("idle", [], language="de", locale="de_DE"),
    "shopping_empty": view(lines=[], can_checkout=False),
    "shopping": view(lines=[*LINES, YOGHURT]),
    "shopping_fr": view(lines=[*LINES, YOGHURT], language="fr", locale="fr_FR"),
    "shopping_long": view(lines=[line(n, f"Product number {n}", 100 + n) for n in range(1, 41)]),
    "produce_unstable": view(produce=produce(net_g=612.0)),
    "produce_stable": view(produce=produce(net_g=734.0, stable=True, price_minor=219)),
    "own_bag": view(own_bag_waiting=True),
    "hint": view(interventions=[question("unscanned_item", ["mine", "all_scanned"], stage="hint", delta_g=512.0)]),
    "hint_removed": view(
        interventions=[question("which_removed", [each.choice for each in FITTING], stage="hint", candidates=FITTING)]
    ),
    "question_unscanned": asking(
        question("unscanned_item", [*(each.choice for each in GUESSES), "mine", "all_scanned"], candidates=GUESSES)
    ),
    "question_not_placed": asking(
        question("not_placed", ["under_basket", "remove", "in_basket"], name="Spaghetti No. 5, 500 g", line=4)
    ),
    "question_last_look": asking(question("not_placed", ["in_basket"], candidates=FITTING, reason="not_seen")),
    "question_extra": asking(question("extra_unit", ["add", "all_scanned"], name="Whole milk 1 l", line=1)),
    "question_weight": asking(question("wrong_weight", ["remove", "insist"], name="Bananas", line=3)),
    "question_long": asking(question("wrong_weight", ["remove", "insist"], line=8), lines=[LONG]),
    "question_wrong_item": asking(question("wrong_item", ["insist"], name="Bananas", line=3)),
    "question_removed": asking(
        question("which_removed", [*(each.choice for each in FITTING), "none_of_these"], candidates=FITTING)
    ),
    "question_unknown": asking(question("unknown_barcode", ["put_back"])),
    "question_blocked": asking(question("sale_blocked", ["put_back"], name="Smoked salmon 200 g", reason="expired")),
    "question_capacity": asking(question("over_capacity", [])),
    "question_odd": asking(question("light_limit", ["sort_it_out", "sku:0099"], reason="5 light things in the basket")),
    "question_two": asking(
        question("extra_unit", ["add", "all_scanned"], name="Whole milk 1 l", line=1),
        question("unknown_barcode", ["put_back"], number=2),
    ),
    "staff_age": view(
        interventions=[question("age_check", [], stage="staff", name="Red wine 0.75 l", reason="age 18")],
    ),
    "staff_own_thing": view(
        interventions=[question("unscanned_item", ["mine", "all_scanned"], stage="staff", reason="own_thing")]
    ),
    "staff_help": view(interventions=[question("help", ["cancel"], stage="staff")]),
    "staff_paid_at_till": view(
        "paying",
        payment=part_paid("voided", giving_back=True, paid=[], rest_minor=0),
        interventions=[question("help", ["cancel"], stage="staff", reason="paid_at_till")],
    ),
    "notices": view(
        online=False,
        notices=[
            NoticeView(part="battery", fault="low"),
            NoticeView(part="network", fault="missing"),
            NoticeView(part="scale", fault="not_ready"),
        ],
    ),
    "notice_scanner": view(notices=[NoticeView(part="scanner", fault="missing")]),
    "checkout": view("checkout"),
    "checkout_waits": view(
        "checkout",
        can_checkout=False,
        checkout_waits_for=["age_check", "not_placed"],
        interventions=[question("age_check", [], stage="staff", name="Red wine 0.75 l")],
    ),
    "checkout_settling": view("checkout", can_checkout=False, checkout_waits_for=["settling"]),
    "checkout_pays_when_still": view(
        "checkout", can_checkout=False, checkout_waits_for=["settling"], pay_when_still="card"
    ),
    "checkout_declined": view("checkout", payment=paying("declined", reason="insufficient_funds")),
    "checkout_offline": view("checkout", online=False, methods=["till"]),
    "paying": view("paying", payment=paying("pending")),
    "paying_unknown": view("paying", payment=paying("unknown")),
    "paying_cancelling": view("paying", payment=paying("cancelling")),
    "paying_offline": view("paying", payment=paying("unknown"), online=False, methods=["till"]),
    "paying_changed": view("paying", payment=paying("pending"), interventions=[question("basket_changed", [])]),
    "checkout_benefits": view("checkout", methods=["ebt", "wallet", "card", "till"], ebt_minor=1209),
    "paying_rest": view("paying", payment=part_paid("approved")),
    "paying_rest_again": view("paying", payment=part_paid("declined", method="card")),
    "paying_second": view("paying", payment=part_paid("pending", method="card", amount_minor=814, rest_minor=0)),
    "paying_gives_back": view("paying", payment=part_paid("cancelling", giving_back=True, paid=[], rest_minor=0)),
    "checkout_given_back": view("checkout", payment=paying("voided", reason="given_back")),
    "paid_by_two": view("paid", payment=paying("approved"), receipt=SPLIT_RECEIPT),
    "handed_to_till": view("paying", payment=paying("handed_to_till", code="4820 7713")),
    "paid": view("paid", payment=paying("approved"), receipt=RECEIPT),
    "paid_unpaid_item": view(
        "paid", payment=paying("approved"), receipt=RECEIPT, interventions=[question("unpaid_item", [])]
    ),
    "maintenance": view("maintenance", []),
    "locked": view(locked=True),
    "training": view(training=True),
}
