//! Every rule of the contract, each as a test of its own.

respool_conformance::conformance_tests!(mobc, respool_mobc::BACKEND);
