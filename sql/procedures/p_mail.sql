-- SPDX-License-Identifier: Apache-2.0
-- The outbox. Whoever writes a mail does so in the transaction that the mail tells of.
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

DELIMITER ;
