//! Every rule of the contract, each as a test of its own.

respool_conformance::conformance_tests!(bb8, respool_bb8::BACKEND);
