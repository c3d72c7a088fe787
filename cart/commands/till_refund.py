"""`cart till refund`: staff gives money back, from the command line, through the running till."""

from __future__ import annotations

import http
import http.client
import json
import secrets
import ssl
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import typer

from cart.core.catalog import minor_digits
from cart.core.problem import Problem
from cart.till.login import CREDENTIAL
from cart.till.secret_files import credential, read_secret

TIMEOUT_S: Final = 20.0


class RefundProblem(Problem):
    """The money was not given back, or nobody knows."""


class NoAnswer(RefundProblem):
    """Nobody knows whether the till heard of it."""


def run(
    attempt: Annotated[str, typer.Argument(help="The attempt, as the till's page and the receipt name it.")],
    *,
    reason: Annotated[str, typer.Option(help="Why; both ledgers keep it.")],
    amount: Annotated[str, typer.Option(help="How much, such as 2.50; without it all that is left.")] = "",
    refund_id: Annotated[
        str, typer.Option("--id", help="Of this refund: given again, nothing is given back a second time.")
    ] = "",
    page: Annotated[str, typer.Option(help="The till's page.", metavar="URL")] = "http://127.0.0.1:8090/",
    page_password: Annotated[
        Path | None,
        typer.Option(
            help="File of the page's password; without it systemd's credential till-password.", metavar="FILE"
        ),
    ] = None,
    page_ca: Annotated[str, typer.Option(help="TLS: who signed the page's certificate.", metavar="FILE")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Give back what an attempt paid, or a part of it; the provider, the cart and its receipt are told."""
    found = page_password or credential(CREDENTIAL)
    asking = _Asking(page, read_secret(found) if found is not None else "", page_ca)
    digits = minor_digits(str(asking.get("/api/v1/state")["currency"]))
    refund_id = refund_id or secrets.token_hex(8)
    body = {"attempt_id": attempt, "reason": reason, "refund_id": refund_id}
    if amount:
        body["amount_minor"] = _minor(amount, digits)  # type: ignore[assignment]
    try:
        row = asking.post("/api/v1/refund", body)["attempt"]
    except NoAnswer as problem:
        raise NoAnswer(f"{problem}; it may be given back already: try again with --id {refund_id}") from None
    if as_json:
        typer.echo(json.dumps(row))
        return
    given = Decimal(row["refunded_minor"]).scaleb(-digits)
    state = "given back" if row["status"] == "voided" else f"{given} given back" if given else "being given back"
    typer.echo(f"{row['attempt_id']}: {state}")


class _Asking:
    """The running till's page, asked by a program."""

    def __init__(self, page: str, password: str, ca: str) -> None:
        parts = urlsplit(page)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise RefundProblem(f"--page {page!r}: write it as http://127.0.0.1:8090/")
        self._headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {password}"} if password else {}
        )
        self._page = page
        self._secure = parts.scheme == "https"
        self._where = (parts.hostname, parts.port or (443 if self._secure else 80))
        self._ca = ca

    def get(self, path: str) -> Any:
        return self._ask("GET", path, None)

    def post(self, path: str, body: Any) -> Any:
        return self._ask("POST", path, json.dumps(body))

    def _ask(self, method: str, path: str, body: str | None) -> Any:
        host, port = self._where
        try:
            line: http.client.HTTPConnection
            if self._secure:
                trusted = ssl.create_default_context(cafile=self._ca or None)
                line = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=trusted)
            else:
                line = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
            line.request(method, path, body, self._headers)
            reply = line.getresponse()
            said = json.loads(reply.read())
            line.close()
        except ssl.SSLError as error:
            raise RefundProblem(
                f"{self._page}: its certificate is not trusted ({error.reason}); name who signed it with --page-ca"
            ) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswer(
                f"{self._page}: the till doesn't answer ({type(error).__name__}); see whether it runs, and give --page"
            ) from None
        if reply.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
            raise NoAnswer(str(said.get("error", reply.reason)))
        if reply.status != 200:
            raise RefundProblem(str(said.get("error", reply.reason)))
        return said


def _minor(amount: str, digits: int) -> int:
    try:
        value = Decimal(amount.replace(",", ".")).scaleb(digits)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value != value.to_integral_value() or value <= 0:
        raise RefundProblem(f"--amount {amount!r}: write an amount such as 2.50")
    return int(value)
