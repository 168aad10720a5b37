-- Run once, when PostgreSQL's container is new: a database for each program.
CREATE DATABASE dagster;
CREATE DATABASE mlflow;
