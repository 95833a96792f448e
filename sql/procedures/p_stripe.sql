-- SPDX-License-Identifier: Apache-2.0
-- Credit bought on Stripe's page, for the program. Events may come twice, at once and in any order. Order of locks: the
-- checkout, the account, lots and refunds.
DELIMITER //

CREATE OR REPLACE PROCEDURE checkout_open(
    IN p_actor_id INT UNSIGNED,
    IN p_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_usd DECIMAL(18,9)
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'API: a customer is about to buy credit; answers the amount in cents and the e-mail address'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT 'ok';
    DECLARE v_begun INT UNSIGNED;

    SELECT COUNT(*) INTO v_begun FROM checkout
    WHERE account_id = p_actor_id AND created_at > UTC_TIMESTAMP() - INTERVAL 1 HOUR;
    IF p_usd < 1 OR p_usd > 10000 OR p_usd <> ROUND(p_usd, 2) THEN
        SET v_outcome = 'bad_amount';
    ELSEIF v_begun >= 30 THEN
        SET v_outcome = 'too_many_checkouts';
    ELSE
        INSERT IGNORE INTO checkout (id, account_id, amount_usd) VALUES (p_id, p_actor_id, p_usd);
    END IF;
    SELECT v_outcome AS outcome, CAST(p_usd * 100 AS DECIMAL(12,0)) AS cents, email
    FROM account WHERE id = p_actor_id;
END //

CREATE OR REPLACE PROCEDURE checkout_answered(
    IN p_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_session_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'API: notes Stripe''s number of the page, or (NULL) that there is none'
BEGIN
    UPDATE checkout SET session_id = p_session_id, state = IF(p_session_id IS NULL, 'failed', state),
        changed_at = UTC_TIMESTAMP()
    WHERE id = p_id AND state = 'open';
    SELECT 'ok' AS outcome;
END //

CREATE OR REPLACE PROCEDURE stripe_note_inner(
    IN p_event_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_type VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_subject VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Internal: keeps an event of Stripe, once'
BEGIN
    INSERT IGNORE INTO stripe_event (id, type, subject, outcome, received_at)
    VALUES (p_event_id, p_type, p_subject, p_outcome, UTC_TIMESTAMP(6));
END //

-- A page was paid: its amount is credited, once. At least that amount must have come, in US dollars.
CREATE OR REPLACE PROCEDURE stripe_paid(
    IN p_event_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_type VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_checkout_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_session_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_payment_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_cents BIGINT,
    IN p_currency VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'API: credits a payment of Stripe'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_usd DECIMAL(18,9);
    DECLARE v_account_id, v_purchase_id INT UNSIGNED;
    DECLARE v_email VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
    DECLARE v_new BOOLEAN;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    SELECT account_id, amount_usd, state INTO v_account_id, v_usd, v_state
    FROM checkout WHERE id = p_checkout_id FOR UPDATE;
    IF v_state IS NULL THEN
        SET v_outcome = 'ignored';
    ELSEIF v_state = 'paid' THEN
        SET v_outcome = 'known';
    ELSEIF p_currency <> 'usd' OR p_cents < v_usd * 100 THEN
        SET v_outcome = 'mismatch';
        UPDATE checkout SET state = 'mismatch', session_id = p_session_id, payment_id = p_payment_id,
            changed_at = UTC_TIMESTAMP()
        WHERE id = p_checkout_id;
    ELSE
        SET v_outcome = 'credited';
        SELECT email INTO v_email FROM account WHERE id = v_account_id;
        CALL credit_add_inner(v_email, 'purchase', v_usd, COALESCE(p_payment_id, p_session_id), 'Stripe', v_purchase_id,
            v_new);
        UPDATE checkout SET state = 'paid', session_id = p_session_id, payment_id = p_payment_id,
            purchase_id = v_purchase_id, changed_at = UTC_TIMESTAMP()
        WHERE id = p_checkout_id;
    END IF;
    IF v_outcome <> 'ignored' THEN
        CALL stripe_note_inner(p_event_id, p_type, p_checkout_id, v_outcome);
    END IF;
    COMMIT;
    SELECT v_outcome AS outcome;
END //

-- A page that will not be paid any more. Whatever came before: what is paid stays paid.
CREATE OR REPLACE PROCEDURE stripe_unpaid(
    IN p_event_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_type VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_checkout_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'API: notes that a page of Stripe expired or its payment failed'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT 'ignored';
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    START TRANSACTION;
    UPDATE checkout SET state = p_state, changed_at = UTC_TIMESTAMP() WHERE id = p_checkout_id AND state = 'open';
    IF ROW_COUNT() = 1 THEN
        SET v_outcome = p_state;
        CALL stripe_note_inner(p_event_id, p_type, p_checkout_id, v_outcome);
    END IF;
    COMMIT;
    SELECT v_outcome AS outcome;
END //

-- Stripe says how much of a payment it has paid back in all. What the ledger does not know of (a refund in Stripe's
-- dashboard) is taken out of the balance, as far as it is unspent; refunds of ours are in refunded_usd already.
-- early: the payment has not been credited yet, or a refund of ours is under way, of which it is not known whether it is
-- in that sum. held: running calls hold some of what has to be taken. Stripe has to tell both again later.
CREATE OR REPLACE PROCEDURE stripe_refunded(
    IN p_event_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_type VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_checkout_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_payment_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_cents BIGINT
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'API: takes back the credit of what was refunded at Stripe'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_purchase_id, v_account_id, v_pending INT UNSIGNED;
    DECLARE v_state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_due, v_taken, v_left, v_free DECIMAL(18,9);
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    SELECT id, purchase_id, account_id, state INTO v_id, v_purchase_id, v_account_id, v_state
    FROM checkout WHERE id = p_checkout_id FOR UPDATE;
    IF v_id IS NULL THEN
        SELECT id, purchase_id, account_id, state INTO v_id, v_purchase_id, v_account_id, v_state
        FROM checkout WHERE payment_id = p_payment_id FOR UPDATE;
    END IF;
    IF v_id IS NULL OR v_state = 'mismatch' THEN
        SET v_outcome = 'ignored'; -- nothing was credited, nor will be
    ELSEIF v_purchase_id IS NULL THEN
        SET v_outcome = 'early';
    ELSE
        SELECT id INTO v_account_id FROM account WHERE id = v_account_id FOR UPDATE;
        SELECT p_cents * 0.01 - refunded_usd INTO v_due FROM purchase WHERE id = v_purchase_id FOR UPDATE;
        SELECT COUNT(*) INTO v_pending FROM refund WHERE purchase_id = v_purchase_id AND state = 'pending';
        IF v_pending > 0 THEN
            SET v_outcome = 'early';
        ELSEIF v_due <= 0 THEN
            SET v_outcome = 'known';
        ELSE
            CALL refund_take_inner(v_purchase_id, v_due, 0.000000001, v_taken, v_left, v_free);
            SET v_outcome = CASE WHEN v_taken = v_due THEN 'refunded' WHEN v_taken < LEAST(v_due, v_left) THEN 'held'
                ELSE 'refunded_in_part' END;
        END IF;
        IF v_outcome NOT IN ('early', 'held') THEN
            CALL stripe_note_inner(p_event_id, p_type, v_id, v_outcome);
        END IF;
    END IF;
    COMMIT;
    SELECT v_outcome AS outcome;
END //

-- Takes the unspent part of a purchase, in whole cents, out of the balance before Stripe is asked to pay it back. One that
-- is still pending is taken up again with its number, which Stripe knows from the first time.
CREATE OR REPLACE PROCEDURE refund_begin(
    IN p_actor_id INT UNSIGNED,
    IN p_purchase_id INT UNSIGNED,
    IN p_refund_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'API: a customer gives the unspent part of a purchase back'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT 'ok';
    DECLARE v_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_payment_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_created_at DATETIME(6);
    DECLARE v_account_id INT UNSIGNED;
    DECLARE v_usd, v_left, v_free DECIMAL(18,9);
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    SELECT id INTO v_account_id FROM account WHERE id = p_actor_id FOR UPDATE;
    SELECT p.kind, p.created_at, c.payment_id INTO v_kind, v_created_at, v_payment_id
    FROM purchase p LEFT JOIN checkout c ON c.purchase_id = p.id
    WHERE p.id = p_purchase_id AND p.account_id = p_actor_id;
    SELECT id, amount_usd INTO v_id, v_usd FROM refund
    WHERE purchase_id = p_purchase_id AND account_id = p_actor_id AND (state = 'pending' OR id = p_refund_id) LIMIT 1;
    IF v_kind IS NULL THEN
        SET v_outcome = 'no_purchase';
    ELSEIF v_id IS NOT NULL THEN
        SET v_outcome = 'ok';
    ELSEIF v_kind <> 'purchase' THEN
        SET v_outcome = 'free_credit';
    ELSEIF v_payment_id IS NULL THEN
        SET v_outcome = 'by_operator';
    ELSEIF v_created_at < UTC_TIMESTAMP(6) - INTERVAL 30 DAY THEN
        SET v_outcome = 'too_late';
    ELSE
        CALL refund_take_inner(p_purchase_id, NULL, 0.01, v_usd, v_left, v_free);
        IF v_usd > 0 THEN
            SET v_id = p_refund_id;
            INSERT INTO refund (id, purchase_id, account_id, amount_usd) VALUES (v_id, p_purchase_id, p_actor_id, v_usd);
        ELSE
            SET v_outcome = 'nothing_left';
        END IF;
    END IF;
    COMMIT;
    SELECT v_outcome AS outcome, v_id AS refund_id, v_payment_id AS payment_id,
        CAST(v_usd * 100 AS DECIMAL(12,0)) AS cents, v_usd AS amount_usd;
END //

-- What Stripe said. p_done 0: it will not pay, so the credit comes back (also when it says so after it had agreed).
CREATE OR REPLACE PROCEDURE refund_end(
    IN p_refund_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_done TINYINT,
    IN p_stripe_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_note VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'API: ends a refund that Stripe has made or refused'
BEGIN
    DECLARE v_account_id, v_purchase_id INT UNSIGNED;
    DECLARE v_usd DECIMAL(18,9);
    DECLARE v_state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    SELECT account_id, purchase_id, amount_usd INTO v_account_id, v_purchase_id, v_usd
    FROM refund WHERE id = p_refund_id;
    SELECT id INTO v_account_id FROM account WHERE id = v_account_id FOR UPDATE;
    SELECT state INTO v_state FROM refund WHERE id = p_refund_id FOR UPDATE;
    IF v_state = 'pending' AND p_done THEN
        UPDATE refund SET state = 'done', stripe_id = p_stripe_id, changed_at = UTC_TIMESTAMP() WHERE id = p_refund_id;
    ELSEIF v_state <> 'failed' AND NOT p_done THEN
        CALL credit_assign_inner(v_account_id, NULL);
        INSERT INTO ledger (account_id, kind, amount_usd, reference, created_at)
        VALUES (v_account_id, 'adjustment', v_usd, p_refund_id, UTC_TIMESTAMP(6));
        UPDATE purchase SET remaining_usd = remaining_usd + v_usd, refunded_usd = refunded_usd - v_usd
        WHERE id = v_purchase_id;
        UPDATE account SET balance_usd = balance_usd + v_usd WHERE id = v_account_id;
        UPDATE refund SET state = 'failed', stripe_id = COALESCE(p_stripe_id, stripe_id), note = COALESCE(p_note, ''),
            changed_at = UTC_TIMESTAMP()
        WHERE id = p_refund_id;
    END IF;
    COMMIT;
    SELECT COALESCE((SELECT state FROM refund WHERE id = p_refund_id), 'ignored') AS outcome;
END //

DELIMITER ;
