# SPDX-License-Identifier: Apache-2.0
"""A Stripe for the tests: Checkout Sessions and Refunds as the API describes them, events with real signatures."""

import contextlib
import hashlib
import hmac
import http.server
import json
import secrets
import threading
import time
from urllib.parse import parse_qsl

KEY = "rk_test_" + "k" * 24
SECRET = "whsec_" + "s" * 32


class FakeStripe:
    """Listens on a free port. `script` answers the next requests: (status, body) or "drop"; empty: as Stripe would."""

    def __init__(self):
        self.requests, self.script, self.by_idempotency = [], [], {}
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = outer.answer(self.path, dict(self.headers), dict(parse_qsl(body.decode(), keep_blank_values=True)))
                if answer == "drop":
                    self.close_connection = True
                    return
                status, data = answer
                data = json.dumps(data).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @contextlib.contextmanager
    def scripted(self, *answers):
        self.script = list(answers)
        yield
        assert self.script == [], "not all of the script was asked for"

    def answer(self, path, headers, form):
        with self.lock:
            self.requests.append((path, headers, form))
            if self.script:
                return self.script.pop(0)
            if headers.get("Authorization") != f"Bearer {KEY}":
                return 401, {"error": {"message": "Invalid API Key", "type": "invalid_request_error"}}
            idempotency = headers["Idempotency-Key"]
            known = self.by_idempotency.get(idempotency)
            if known is not None:
                return (200, known[1]) if known[0] == form else (400, {"error": {"message": "Keys for idempotent requests can only be used with "
                                                                                             "the same parameters", "code": "idempotency_error"}})
            made = self.make(path, form)
            self.by_idempotency[idempotency] = (form, made)
            return 200, made

    @staticmethod
    def make(path, form):
        if path == "/v1/checkout/sessions":
            number = "cs_test_" + secrets.token_hex(12)
            return {"id": number, "object": "checkout.session", "status": "open", "payment_status": "unpaid",
                    "client_reference_id": form["client_reference_id"], "amount_total": int(form["line_items[0][price_data][unit_amount]"]),
                    "currency": "usd", "url": f"https://checkout.stripe.test/c/pay/{number}"}
        assert path == "/v1/refunds", path
        return {"id": "re_" + secrets.token_hex(12), "object": "refund", "status": "succeeded", "amount": int(form["amount"]),
                "payment_intent": form["payment_intent"], "metadata": {"refund_id": form["metadata[refund_id]"]}}


def signature(body, secret=SECRET, at=None, scheme="v1"):
    at = int(time.time()) if at is None else at
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},{scheme}={mac}"


def event(kind, obj, number=None):
    """The bytes of an event about an object."""
    return json.dumps({"id": number or "evt_" + secrets.token_hex(12), "object": "event", "api_version": "2024-06-20", "created": int(time.time()),
                       "livemode": False, "type": kind, "data": {"object": obj}}, indent=2).encode()


def paid_session(checkout_id, cents, payment=None, **changes):
    session = {"id": "cs_test_" + secrets.token_hex(12), "object": "checkout.session", "client_reference_id": checkout_id, "status": "complete",
               "payment_status": "paid", "amount_total": cents, "amount_subtotal": cents, "currency": "usd", "mode": "payment",
               "payment_intent": payment or "pi_" + secrets.token_hex(12), "metadata": {"checkout_id": checkout_id}}
    return {**session, **changes}


def refunded_charge(checkout_id, payment, cents):
    return {"id": "ch_" + secrets.token_hex(12), "object": "charge", "payment_intent": payment, "amount_refunded": cents, "refunded": True,
            "metadata": {"checkout_id": checkout_id}}
