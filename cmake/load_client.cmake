# The load client of `clipper bench`: one program without Python, installed beside the package that runs it.
find_package(Threads REQUIRED)
add_executable(load_client clipper/bench/client/load_client.cpp)
target_link_libraries(load_client PRIVATE Threads::Threads)
target_compile_options(load_client PRIVATE -Wall -Wextra $<$<BOOL:${CLIPPER_WERROR}>:-Werror>)
install(TARGETS load_client RUNTIME DESTINATION clipper/bench COMPONENT load_client)
