-- SPDX-License-Identifier: Apache-2.0
-- The outbox. Whoever writes a mail does so in the transaction that the mail tells of; send-mail claims one at a time.
DELIMITER //

CREATE OR REPLACE PROCEDURE mail_enqueue_inner(
    IN p_to VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_subject VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_body TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Internal: puts a mail into the outbox'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);

    INSERT INTO outbox_mail (kind, recipient, subject, body, next_attempt_at, created_at)
    VALUES (p_kind, p_to, p_subject, p_body, v_now, v_now);
END //

-- The claim is a lease: if the sender dies, the mail is due again when it ends.
CREATE OR REPLACE PROCEDURE mail_claim(
    IN p_lease_s INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Takes the mail that is due longest, for so many seconds; no row: none is due'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_id BIGINT UNSIGNED;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    SELECT id INTO v_id FROM outbox_mail WHERE state = 'pending' AND next_attempt_at <= v_now
    ORDER BY next_attempt_at, id LIMIT 1 FOR UPDATE SKIP LOCKED;
    UPDATE outbox_mail SET attempts = attempts + 1, next_attempt_at = v_now + INTERVAL p_lease_s SECOND WHERE id = v_id;
    COMMIT;
    SELECT id, attempts, recipient, subject, body, kind, FLOOR(UNIX_TIMESTAMP(created_at)) AS created_s
    FROM outbox_mail WHERE id = v_id;
END //

-- p_attempts is that of the claim: who was too slow and lost it changes nothing.
CREATE OR REPLACE PROCEDURE mail_done(
    IN p_id BIGINT UNSIGNED,
    IN p_attempts SMALLINT UNSIGNED,
    IN p_error VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Ends a claim: sent (no error), else due again later, given up after 2 days. Number, attempt, error'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);

    -- 1, 3, 9, 27, 81 minutes, 4 hours, then every 6 hours, and some seconds so that not all come at once. Assigned
    -- from left to right.
    UPDATE outbox_mail SET
        state = CASE WHEN p_error IS NULL THEN 'sent' WHEN created_at < v_now - INTERVAL 2 DAY THEN 'dead' ELSE 'pending' END,
        done_at = IF(state = 'pending', NULL, v_now),
        body = IF(state = 'pending', body, NULL),
        last_error = COALESCE(p_error, ''),
        next_attempt_at = v_now + INTERVAL LEAST(21600, 60 * POW(3, LEAST(attempts, 10) - 1)) + FLOOR(RAND() * 20) SECOND
    WHERE id = p_id AND attempts = p_attempts AND state = 'pending';
    SELECT state FROM outbox_mail WHERE id = p_id;
END //

DELIMITER ;
