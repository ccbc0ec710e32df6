//! Every rule of the contract, each as a test of its own.

respool_conformance::conformance_tests!(deadpool, respool_deadpool::BACKEND);
