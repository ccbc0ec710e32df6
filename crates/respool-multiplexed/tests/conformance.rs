//! Every rule of the contract, each as a test of its own.

respool_conformance::conformance_tests!(multiplexed, respool_multiplexed::BACKEND);
