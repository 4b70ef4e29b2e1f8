# A line through the durations of batches; what finish_model and quantile_size predict from. See duration_line.hpp.
cdef extern from "duration_line.hpp" namespace "clipper" nogil:
    cdef enum class LineVerdict(unsigned char):
        First, Expected, Slow, Fast, Rescaled

    cdef cppclass DurationLine:
        double kLongestUs
        void configure(double surprise_ratio, double forget) noexcept
        LineVerdict judge(double size, double duration_us) noexcept
        void fit(double size, double duration_us) noexcept
        double at(double size) noexcept
        double base_us() noexcept
        double slope_us() noexcept
        double proportional(double size) noexcept
        bint is_empty() noexcept
        bint is_surprised() noexcept
