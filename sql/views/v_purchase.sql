-- SPDX-License-Identifier: Apache-2.0

-- Credit by lot, with what is left of it now: what was spent since the account's last credit event is taken from grants
-- before purchases and from older lots before newer ones, as p_credit.sql does at the next event.
CREATE OR REPLACE SQL SECURITY DEFINER VIEW v_purchase AS
SELECT p.purchase_id, p.email, p.kind, p.amount_usd, p.refunded_usd,
    LEAST(p.remaining_usd, GREATEST(0, p.up_to_here - p.unassigned)) AS left_usd,
    p.reference, p.note, p.created_at, p.created_at + INTERVAL 30 DAY AS refundable_until, p.account_id
FROM (
    SELECT p.id AS purchase_id, p.account_id, a.email, p.kind, p.amount_usd, p.remaining_usd, p.refunded_usd, p.reference,
        p.note, p.created_at,
        SUM(p.remaining_usd) OVER (PARTITION BY p.account_id ORDER BY p.kind = 'grant' DESC, p.created_at, p.id) AS up_to_here,
        SUM(p.remaining_usd) OVER (PARTITION BY p.account_id) - a.balance_usd AS unassigned
    FROM purchase p JOIN account a ON a.id = p.account_id
) p
ORDER BY p.created_at DESC, p.purchase_id DESC;

-- Payments through Stripe, and what of them was refunded there at the customer's wish.
CREATE OR REPLACE SQL SECURITY DEFINER VIEW v_checkout AS
SELECT c.id AS checkout_id, a.email, c.amount_usd, c.state, c.purchase_id, c.payment_id,
    (SELECT SUM(r.amount_usd) FROM refund r WHERE r.purchase_id = c.purchase_id AND r.state = 'done') AS refunded_usd,
    (SELECT SUM(r.amount_usd) FROM refund r WHERE r.purchase_id = c.purchase_id AND r.state = 'pending') AS refund_pending_usd,
    c.created_at, c.changed_at
FROM checkout c JOIN account a ON a.id = c.account_id
ORDER BY c.created_at DESC;
