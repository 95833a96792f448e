-- SPDX-License-Identifier: Apache-2.0
-- Attempts are counted in the database, so that the count holds over all processes and hosts and survives a restart.
DELIMITER //

CREATE OR REPLACE PROCEDURE throttle_count_inner(
    IN p_subject BINARY(32),
    IN p_limit INT UNSIGNED,
    IN p_window_s INT UNSIGNED,
    OUT o_wait_s INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Internal: counts an attempt; seconds until the next is allowed, or 0'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);

    -- Assigned from left to right: attempts sees the old end of the window.
    INSERT INTO throttle (subject, attempts, window_end) VALUES (p_subject, 1, v_now + INTERVAL p_window_s SECOND)
    ON DUPLICATE KEY UPDATE
        attempts = IF(window_end <= v_now, 1, LEAST(attempts + 1, p_limit + 1)),
        window_end = IF(window_end <= v_now, VALUES(window_end), window_end);
    SELECT IF(attempts <= p_limit, 0, GREATEST(1, TIMESTAMPDIFF(SECOND, v_now, window_end) + 1)) INTO o_wait_s
    FROM throttle WHERE subject = p_subject;
END //

CREATE OR REPLACE PROCEDURE throttle_take(
    IN p_address BINARY(32),
    IN p_address_limit INT UNSIGNED,
    IN p_network BINARY(32),
    IN p_network_limit INT UNSIGNED,
    IN p_window_s INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Counts an attempt of an address (or NULL) and of a network; seconds to wait, or 0: it may go on'
BEGIN
    DECLARE v_address_s, v_network_s INT UNSIGNED DEFAULT 0;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL throttle_count_inner(p_network, p_network_limit, p_window_s, v_network_s);
    -- A network that is over its limit does not use up what an address may try.
    IF v_network_s = 0 AND p_address IS NOT NULL THEN
        CALL throttle_count_inner(p_address, p_address_limit, p_window_s, v_address_s);
    END IF;
    COMMIT;
    SELECT GREATEST(v_address_s, v_network_s) AS wait_s;
END //

CREATE OR REPLACE PROCEDURE throttle_give(
    IN p_address BINARY(32),
    IN p_network BINARY(32)
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Takes one attempt back that went well'
BEGIN
    UPDATE throttle SET attempts = attempts - 1 WHERE subject = p_network AND attempts > 0;
    UPDATE throttle SET attempts = attempts - 1 WHERE subject = p_address AND attempts > 0;
END //

DELIMITER ;
