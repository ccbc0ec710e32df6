//! Every rule of the contract, each as a test of its own.

respool_conformance::conformance_tests!(native, respool_native::BACKEND);
