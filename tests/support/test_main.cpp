// The entry point of every C++ test executable.
#define BOOST_TEST_MODULE troupe
#include <boost/test/included/unit_test.hpp>
