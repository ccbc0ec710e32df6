//! Every rule of the contract, each as a test of its own.

respool_conformance::conformance_tests!(mobc_redis, respool_mobc_redis::BACKEND);
