-- SPDX-License-Identifier: Apache-2.0
-- Sign-up and reset. An account is opened when its link is used; what an address is known for does not show: both
-- ways through signup_start and reset_start write as much.
--
-- The program makes the tokens and hands in their hashes, so each step can be run again after a lost connection
-- without a second effect.
DELIMITER //

CREATE OR REPLACE PROCEDURE signup_start(
    IN p_token_hash BINARY(32),
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_mailbox VARCHAR(254) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_name VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_password_hash VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_life_s INT UNSIGNED,
    IN p_new_subject VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_new_body TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_known_subject VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_known_body TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Notes a sign-up and writes its mail: the link, or to an address that has an account, that it has one'
start_signup: BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_known INT UNSIGNED;
    DECLARE v_kind VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    -- A repetition waits for the first attempt.
    SELECT kind INTO v_kind FROM signup_token WHERE token_hash = p_token_hash LOCK IN SHARE MODE;
    IF v_kind IS NOT NULL THEN
        ROLLBACK;
        LEAVE start_signup;
    END IF;
    SELECT id INTO v_known FROM account WHERE email = p_email;
    INSERT INTO signup_token (token_hash, kind, email, account_id, mailbox, name, password_hash, created_at, expires_at,
        used_at)
    VALUES (p_token_hash, 'verify', p_email, v_known, p_mailbox, p_name, IF(v_known IS NULL, p_password_hash, NULL),
        v_now, v_now + INTERVAL p_life_s SECOND, IF(v_known IS NULL, NULL, v_now));
    IF v_known IS NULL THEN
        CALL mail_enqueue_inner(p_email, 'verify', p_new_subject, p_new_body);
    ELSE
        CALL mail_enqueue_inner(p_email, 'exists', p_known_subject, p_known_body);
    END IF;
    COMMIT;
END //

-- Within a transaction, with the row of the token locked.
CREATE OR REPLACE PROCEDURE signup_open_inner(
    IN p_token_hash BINARY(32),
    OUT o_account_id INT UNSIGNED,
    OUT o_granted_usd DECIMAL(18,9)
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Internal: opens the account of a sign-up, with its welcome credit once a mailbox'
BEGIN
    DECLARE v_welcome_usd DECIMAL(18,9) DEFAULT 10;
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_email VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
    DECLARE v_mailbox VARCHAR(254) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_purchase_id, v_granted_id INT UNSIGNED;
    DECLARE v_new BOOLEAN;

    SET o_granted_usd = 0;
    SELECT email, mailbox INTO v_email, v_mailbox FROM signup_token WHERE token_hash = p_token_hash;
    INSERT INTO account (email, name, tier_id, password_hash, verified_at)
    SELECT s.email, COALESCE(s.name, ''), t.id, s.password_hash, v_now
    FROM signup_token s JOIN tier t WHERE s.token_hash = p_token_hash ORDER BY t.min_spend_usd LIMIT 1;
    SET o_account_id = LAST_INSERT_ID();
    UPDATE signup_token SET used_at = v_now, account_id = o_account_id, password_hash = NULL
    WHERE token_hash = p_token_hash;
    -- The primary key lets one account have it, however many come at once.
    INSERT INTO mailbox_grant (mailbox, account_id) VALUES (v_mailbox, o_account_id)
    ON DUPLICATE KEY UPDATE mailbox = VALUES(mailbox);
    SELECT account_id INTO v_granted_id FROM mailbox_grant WHERE mailbox = v_mailbox;
    IF v_granted_id = o_account_id THEN
        CALL credit_add_inner(v_email, 'grant', v_welcome_usd, NULL, 'welcome', v_purchase_id, v_new);
        SET o_granted_usd = v_welcome_usd;
    END IF;
END //

CREATE OR REPLACE PROCEDURE signup_verify(
    IN p_token_hash BINARY(32),
    IN p_session_hash BINARY(32),
    IN p_user_agent VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_network VARCHAR(50) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_session_life_s INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Uses the link of a sign-up: opens the account and a session. Says what came of it'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_account_id INT UNSIGNED;
    DECLARE v_expires_at, v_used_at DATETIME(6);
    DECLARE v_granted DECIMAL(18,9) DEFAULT 0;
    DECLARE v_found BOOLEAN;
    DECLARE v_outcome VARCHAR(16) CHARACTER SET ascii DEFAULT 'opened';
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    -- Another sign-up for the same address was quicker.
    DECLARE EXIT HANDLER FOR 1062
    BEGIN
        ROLLBACK;
        SELECT 'known' AS outcome, NULL AS account_id, NULL AS granted_usd;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    SELECT expires_at, used_at, account_id INTO v_expires_at, v_used_at, v_account_id
    FROM signup_token WHERE token_hash = p_token_hash AND kind = 'verify' FOR UPDATE;
    IF v_expires_at IS NULL THEN
        SET v_outcome = 'unknown';
    ELSEIF v_used_at IS NOT NULL THEN
        -- Run again after a lost connection, it is this very session that was opened.
        SELECT EXISTS (SELECT 1 FROM session WHERE token_hash = p_session_hash AND account_id = v_account_id)
        INTO v_found;
        IF NOT v_found THEN
            SET v_outcome = 'used';
        END IF;
    ELSEIF v_expires_at <= v_now THEN
        SET v_outcome = 'expired';
    ELSE
        CALL signup_open_inner(p_token_hash, v_account_id, v_granted);
        CALL session_open_inner(p_session_hash, v_account_id, p_user_agent, p_network, p_session_life_s);
    END IF;
    COMMIT;
    SELECT v_outcome AS outcome, IF(v_outcome = 'opened', v_account_id, NULL) AS account_id,
        (SELECT p.amount_usd FROM mailbox_grant g JOIN purchase p ON p.account_id = g.account_id
            WHERE v_outcome = 'opened' AND g.account_id = v_account_id ORDER BY p.id LIMIT 1) AS granted_usd;
END //

CREATE OR REPLACE PROCEDURE verify_account(
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: opens the account of the newest sign-up with an address, as its link would. E-mail address'
BEGIN
    DECLARE v_token_hash BINARY(32);
    DECLARE v_account_id INT UNSIGNED;
    DECLARE v_granted DECIMAL(18,9);
    DECLARE v_found BOOLEAN;
    DECLARE v_message VARCHAR(400) CHARACTER SET utf8mb4;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    SELECT EXISTS (SELECT 1 FROM account WHERE email = TRIM(p_email) COLLATE utf8mb4_unicode_ci) INTO v_found;
    IF v_found THEN
        SET v_message = CONCAT('There is an account with the e-mail address ', TRIM(p_email), ' already.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    END IF;
    SELECT token_hash INTO v_token_hash FROM signup_token
    WHERE email = TRIM(p_email) COLLATE utf8mb4_unicode_ci AND kind = 'verify' AND used_at IS NULL
    ORDER BY created_at DESC LIMIT 1 FOR UPDATE;
    IF v_token_hash IS NULL THEN
        SET v_message = CONCAT('Nobody has signed up with the e-mail address ', COALESCE(p_email, 'NULL'),
            ' of late; CALL create_account opens an account.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    END IF;
    CALL signup_open_inner(v_token_hash, v_account_id, v_granted);
    COMMIT;
    SELECT id AS account_id, email, name, v_granted AS granted_usd FROM account WHERE id = v_account_id;
END //

CREATE OR REPLACE PROCEDURE reset_start(
    IN p_token_hash BINARY(32),
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_life_s INT UNSIGNED,
    IN p_subject VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_body TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Notes that a new password is wanted, and writes the mail with the link if there is such an account'
start_reset: BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_account_id INT UNSIGNED;
    DECLARE v_kind VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    -- A repetition waits for the first attempt.
    SELECT kind INTO v_kind FROM signup_token WHERE token_hash = p_token_hash LOCK IN SHARE MODE;
    IF v_kind IS NOT NULL THEN
        ROLLBACK;
        LEAVE start_reset;
    END IF;
    SELECT id INTO v_account_id FROM account WHERE email = p_email AND enabled;
    INSERT INTO signup_token (token_hash, kind, email, account_id, created_at, expires_at, used_at)
    VALUES (p_token_hash, 'reset', p_email, v_account_id, v_now, v_now + INTERVAL p_life_s SECOND,
        IF(v_account_id IS NULL, v_now, NULL));
    IF v_account_id IS NOT NULL THEN
        CALL mail_enqueue_inner(p_email, 'reset', p_subject, p_body);
    END IF;
    COMMIT;
END //

-- The account is signed out everywhere, and its other links end. p_throttle: what counts the failed sign-ins of the
-- address; they count no more.
CREATE OR REPLACE PROCEDURE reset_finish(
    IN p_token_hash BINARY(32),
    IN p_password_hash VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_throttle BINARY(32),
    IN p_subject VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_body TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Uses the link of a reset: sets the new password and ends all sessions. Says what came of it'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_account_id INT UNSIGNED;
    DECLARE v_email VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
    DECLARE v_expires_at, v_used_at DATETIME(6);
    DECLARE v_found BOOLEAN;
    DECLARE v_outcome VARCHAR(16) CHARACTER SET ascii DEFAULT 'set';
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    SELECT expires_at, used_at, account_id, email INTO v_expires_at, v_used_at, v_account_id, v_email
    FROM signup_token WHERE token_hash = p_token_hash AND kind = 'reset' FOR UPDATE;
    IF v_expires_at IS NULL THEN
        SET v_outcome = 'unknown';
    ELSEIF v_used_at IS NOT NULL THEN
        -- Run again after a lost connection, it is this very password that was set.
        SELECT EXISTS (SELECT 1 FROM account WHERE id = v_account_id AND password_hash = p_password_hash) INTO v_found;
        IF NOT v_found THEN
            SET v_outcome = 'used';
        END IF;
    ELSEIF v_expires_at <= v_now THEN
        SET v_outcome = 'expired';
    ELSE
        CALL mail_enqueue_inner(v_email, 'changed', p_subject, p_body);
        UPDATE signup_token SET used_at = v_now WHERE account_id = v_account_id AND kind = 'reset' AND used_at IS NULL;
        DELETE FROM throttle WHERE subject = p_throttle;
        UPDATE account SET password_hash = p_password_hash, verified_at = COALESCE(verified_at, v_now)
        WHERE id = v_account_id;
        DELETE FROM session WHERE account_id = v_account_id;
    END IF;
    COMMIT;
    SELECT v_outcome AS outcome;
END //

-- The password was checked against p_password_hash; if it has changed since, nothing is opened.
CREATE OR REPLACE PROCEDURE login_open(
    IN p_token_hash BINARY(32),
    IN p_account_id INT UNSIGNED,
    IN p_password_hash VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_user_agent VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_network VARCHAR(50) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_life_s INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Opens a session for somebody whose password was right. Says what came of it'
BEGIN
    DECLARE v_outcome VARCHAR(16) CHARACTER SET ascii DEFAULT 'changed';
    DECLARE v_found INT UNSIGNED;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    SELECT id INTO v_found FROM account
    WHERE id = p_account_id AND password_hash = p_password_hash LOCK IN SHARE MODE;
    IF v_found IS NOT NULL THEN
        SET v_outcome = 'opened';
        CALL session_open_inner(p_token_hash, p_account_id, p_user_agent, p_network, p_life_s);
    END IF;
    COMMIT;
    SELECT v_outcome AS outcome;
END //

-- In small portions: what is left is taken by the next run.
CREATE OR REPLACE PROCEDURE sign_in_purge()
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Cron: deletes ended sessions, old links and counts, and mails of a month ago'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);

    DELETE FROM session WHERE expires_at < v_now LIMIT 1000;
    DELETE FROM session WHERE last_used_at < v_now - INTERVAL 7 DAY LIMIT 1000;
    DELETE FROM signup_token WHERE expires_at < v_now - INTERVAL 7 DAY LIMIT 1000;
    DELETE FROM throttle WHERE window_end < v_now LIMIT 1000;
    DELETE FROM outbox_mail WHERE done_at < v_now - INTERVAL 30 DAY LIMIT 1000;
END //

DELIMITER ;
