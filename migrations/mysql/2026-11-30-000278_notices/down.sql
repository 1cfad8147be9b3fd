DROP TABLE notice_readers;
DROP TABLE notices;
