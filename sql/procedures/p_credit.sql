-- SPDX-License-Identifier: Apache-2.0
-- Credit comes in lots (table purchase): purchases, which can be refunded, and free grants. Spending uses up
-- grants before purchases and older lots before newer ones. Calls do not touch the lots; what they spent is
-- assigned when the next credit event of the account happens (a purchase, a grant, a refund).
--
-- Why not compute it from amounts and dates whenever it is asked for? Because grants come first only among the
-- lots that existed when the money was spent. Buy 10, spend 8, then get a grant of 10: the 8 were paid from the
-- purchase, 2 of it are left to refund. Computed afterwards, "grants first" would say that the grant paid the 8
-- and that all 10 can be refunded. Between two credit events the set of lots does not change, so assigning
-- everything that was spent since the last one is exact, in whatever order the calls came.
--
-- Credit events lock the account first, where calls lock it last. They cannot wait for each other in a circle: after
-- the account, a credit event touches only rows of its own and lots, which calls never touch.
DELIMITER //

-- Assigns what was spent since the last credit event: sum of remaining_usd - balance. The account's row must be
-- locked. p_new_id: a lot that has just been added (its credit is in the balance) and has paid for nothing yet.
CREATE OR REPLACE PROCEDURE credit_assign_inner(
    IN p_account_id INT UNSIGNED,
    IN p_new_id INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Internal: assigns what was spent to the lots of credit'
BEGIN
    DECLARE v_balance, v_unassigned DECIMAL(18,9);

    SELECT balance_usd INTO v_balance FROM account WHERE id = p_account_id FOR UPDATE;
    SELECT COALESCE(SUM(remaining_usd), 0) - v_balance INTO v_unassigned
    FROM purchase WHERE account_id = p_account_id FOR UPDATE;
    IF v_unassigned > 0 THEN
        UPDATE purchase JOIN (
            SELECT id, SUM(remaining_usd) OVER (ORDER BY kind = 'grant' DESC, created_at, id) AS up_to_here
            FROM purchase
            WHERE account_id = p_account_id AND remaining_usd > 0 AND id <> COALESCE(p_new_id, 0)
        ) lot ON lot.id = purchase.id
        SET purchase.remaining_usd = LEAST(purchase.remaining_usd, GREATEST(0, lot.up_to_here - v_unassigned));
    END IF;
END //

CREATE OR REPLACE PROCEDURE credit_add_inner(
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_usd DECIMAL(18,9),
    IN p_reference VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_note VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    OUT o_purchase_id INT UNSIGNED,
    OUT o_new BOOLEAN
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Internal: adds a lot of credit'
add_credit: BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_account_id, v_known_account INT UNSIGNED;
    DECLARE v_known_usd DECIMAL(18,9);
    DECLARE v_message VARCHAR(400) CHARACTER SET utf8mb4;

    SELECT id INTO v_account_id FROM account WHERE email = p_email FOR UPDATE;
    IF v_account_id IS NULL THEN
        SET v_message = CONCAT('There is no account with the e-mail address ', COALESCE(p_email, 'NULL'), '.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    ELSEIF p_usd IS NULL OR p_usd <= 0 OR p_usd > 1000000 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'The amount must be more than 0 and at most 1000000 US dollars.';
    END IF;

    SELECT id, account_id, amount_usd INTO o_purchase_id, v_known_account, v_known_usd
    FROM purchase WHERE reference = p_reference FOR UPDATE;
    IF o_purchase_id IS NOT NULL THEN
        IF v_known_account <> v_account_id OR v_known_usd <> p_usd THEN
            SET v_message = CONCAT('The reference ', p_reference, ' is taken by purchase ', o_purchase_id,
                ' of another account or amount.');
            SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
        END IF;
        SET o_new = FALSE;
        LEAVE add_credit;
    END IF;

    INSERT INTO purchase (account_id, kind, amount_usd, remaining_usd, reference, note, created_at)
    VALUES (v_account_id, p_kind, p_usd, p_usd, p_reference, COALESCE(p_note, ''), v_now);
    SET o_purchase_id = LAST_INSERT_ID(), o_new = TRUE;
    INSERT INTO ledger (account_id, kind, amount_usd, reference, created_at)
    VALUES (v_account_id, p_kind, p_usd, o_purchase_id, v_now);
    UPDATE account SET balance_usd = balance_usd + p_usd WHERE id = v_account_id;
    CALL credit_assign_inner(v_account_id, o_purchase_id);
END //

-- Books a payment. The reference is the number at the payment provider; booking it again changes nothing.
CREATE OR REPLACE PROCEDURE credit_purchase(
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4,
    IN p_usd DECIMAL(18,9),
    IN p_reference VARCHAR(128) CHARACTER SET utf8mb4
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: books a payment. E-mail of the account, US dollars, number at the payment provider'
BEGIN
    DECLARE v_purchase_id INT UNSIGNED;
    DECLARE v_new BOOLEAN;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    IF TRIM(COALESCE(p_reference, '')) = '' THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'A purchase needs a reference, such as the number at the payment provider: it keeps a payment from being booked twice.';
    END IF;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL credit_add_inner(p_email, 'purchase', p_usd, TRIM(p_reference), NULL, v_purchase_id, v_new);
    COMMIT;
    SELECT p.id AS purchase_id, IF(v_new, 'credited', 'had been credited before') AS outcome, a.email,
        p.amount_usd, a.balance_usd
    FROM purchase p JOIN account a ON a.id = p.account_id WHERE p.id = v_purchase_id;
END //

CREATE OR REPLACE PROCEDURE grant_credit(
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4,
    IN p_usd DECIMAL(18,9),
    IN p_note VARCHAR(255) CHARACTER SET utf8mb4
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: gives free credit. E-mail of the account, US dollars, why'
BEGIN
    DECLARE v_purchase_id INT UNSIGNED;
    DECLARE v_new BOOLEAN;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL credit_add_inner(p_email, 'grant', p_usd, NULL, p_note, v_purchase_id, v_new);
    COMMIT;
    SELECT p.id AS purchase_id, 'granted' AS outcome, a.email, p.amount_usd, a.balance_usd
    FROM purchase p JOIN account a ON a.id = p.account_id WHERE p.id = v_purchase_id;
END //

-- Takes back the unspent part of a purchase, at most p_most_usd (NULL: all of it), in whole multiples of p_step_usd
-- (0.01 where a payment provider pays back). o_refund_usd 0: nothing can be taken; then o_left_usd is what is unspent of
-- the purchase and o_free_usd what of the balance is not held by running calls. Needs a transaction.
CREATE OR REPLACE PROCEDURE refund_take_inner(
    IN p_id INT UNSIGNED,
    IN p_most_usd DECIMAL(18,9),
    IN p_step_usd DECIMAL(18,9),
    OUT o_refund_usd DECIMAL(18,9),
    OUT o_left_usd DECIMAL(18,9),
    OUT o_free_usd DECIMAL(18,9)
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Internal: takes the unspent part of a purchase out of the balance'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_account_id, v_count INT UNSIGNED;

    SELECT account_id INTO v_account_id FROM purchase WHERE id = p_id;
    CALL credit_assign_inner(v_account_id, NULL);
    SELECT balance_usd - held_usd INTO o_free_usd FROM account WHERE id = v_account_id FOR UPDATE;
    SELECT remaining_usd INTO o_left_usd FROM purchase WHERE id = p_id FOR UPDATE;
    SET o_refund_usd = LEAST(o_left_usd, o_free_usd, COALESCE(p_most_usd, o_left_usd));
    SET o_refund_usd = GREATEST(0, o_refund_usd - o_refund_usd % p_step_usd);
    IF o_refund_usd > 0 THEN
        SELECT COUNT(*) INTO v_count FROM ledger
        WHERE kind = 'refund' AND reference LIKE CONCAT(p_id, '/%');
        INSERT INTO ledger (account_id, kind, amount_usd, reference, created_at)
        VALUES (v_account_id, 'refund', -o_refund_usd, CONCAT(p_id, '/', v_count + 1), v_now);
        UPDATE purchase SET remaining_usd = remaining_usd - o_refund_usd, refunded_usd = refunded_usd + o_refund_usd,
            refunded_at = v_now
        WHERE id = p_id;
        UPDATE account SET balance_usd = balance_usd - o_refund_usd WHERE id = v_account_id;
    END IF;
END //

-- Takes the unspent part of a purchase back out of the balance, within 30 days. What running calls hold stays;
-- once they have ended, the rest can be refunded with another call. Pay the sum that it shows back to the customer.
-- A payment through Stripe can as well be refunded in Stripe's dashboard alone: its event takes the credit back.
CREATE OR REPLACE PROCEDURE refund_purchase(
    IN p_purchase_id INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: takes back the unspent part of a purchase, within 30 days. Number of the purchase'
BEGIN
    DECLARE v_kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_created_at DATETIME(6);
    DECLARE v_remaining, v_free, v_refund DECIMAL(18,9);
    DECLARE v_message VARCHAR(400) CHARACTER SET utf8mb4;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    SELECT kind, created_at INTO v_kind, v_created_at FROM purchase WHERE id = p_purchase_id;
    IF v_kind IS NULL THEN
        SET v_message = CONCAT('There is no purchase ', COALESCE(p_purchase_id, 'NULL'), '.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    ELSEIF v_kind <> 'purchase' THEN
        SET v_message = CONCAT('Number ', p_purchase_id, ' is a free grant; only purchases can be refunded.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    ELSEIF v_created_at < UTC_TIMESTAMP(6) - INTERVAL 30 DAY THEN
        SET v_message = CONCAT('Purchase ', p_purchase_id, ' is more than 30 days old and cannot be refunded any more.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    END IF;

    CALL refund_take_inner(p_purchase_id, NULL, 0.000000001, v_refund, v_remaining, v_free);
    IF v_refund <= 0 THEN
        SET v_message = CONCAT('Nothing of purchase ', p_purchase_id, ' can be refunded: ', v_remaining,
            ' US dollars of it are unspent, and ', v_free, ' of the balance are not held by running calls.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    END IF;
    COMMIT;
    SELECT p.id AS purchase_id, a.email, v_refund AS refund_usd, p.remaining_usd AS still_held_usd, a.balance_usd
    FROM purchase p JOIN account a ON a.id = p.account_id WHERE p.id = p_purchase_id;
END //

DELIMITER ;
