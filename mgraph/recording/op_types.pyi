"""Every op as a method of Value and as a function, for type checkers and editors: by docs/make_ops.py."""

from typing import SupportsFloat, overload

from mgraph.recording.value import Value

__all__ = [
    "abs",
    "add",
    "cos",
    "div",
    "exp",
    "expm1",
    "gate",
    "greater",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "mul",
    "neg",
    "pow",
    "relu",
    "sigmoid",
    "sin",
    "sqrt",
    "sub",
    "tanh",
]

class Methods:
    def __neg__(self) -> Value: ...
    def __abs__(self) -> Value: ...
    def __add__(self, b: SupportsFloat) -> Value: ...
    def __radd__(self, b: SupportsFloat) -> Value: ...
    def __sub__(self, b: SupportsFloat) -> Value: ...
    def __rsub__(self, b: SupportsFloat) -> Value: ...
    def __mul__(self, b: SupportsFloat) -> Value: ...
    def __rmul__(self, b: SupportsFloat) -> Value: ...
    def __truediv__(self, b: SupportsFloat) -> Value: ...
    def __rtruediv__(self, b: SupportsFloat) -> Value: ...
    def __pow__(self, b: SupportsFloat) -> Value: ...
    def __rpow__(self, b: SupportsFloat) -> Value: ...
    def neg(self) -> Value:
        """Same as -a.

        y = -a
        ∂y/∂a = -1
        domain: all
        """
    def add(self, b: SupportsFloat) -> Value:
        """Same as a + b.

        y = a + b
        ∂y/∂a = 1
        ∂y/∂b = 1
        domain: all
        """
    def sub(self, b: SupportsFloat) -> Value:
        """Same as a - b.

        y = a - b
        ∂y/∂a = 1
        ∂y/∂b = -1
        domain: all
        """
    def mul(self, b: SupportsFloat) -> Value:
        """Same as a * b.

        y = a * b
        ∂y/∂a = b
        ∂y/∂b = a
        domain: all
        """
    def div(self, b: SupportsFloat) -> Value:
        """a/b by IEEE 754-2019 clause 7.3: x/0 is an infinity with the sign of the quotient, 0/0 is NaN.

        y = a / b
        ∂y/∂a = 1/b
        ∂y/∂b = -y/b
        domain: b > 0
        """
    def pow(self, b: SupportsFloat) -> Value:
        """a**b (IEEE 754-2019 clause 9.2.1): NaN for a negative a under a b that is not whole; a**0 and 1**b are 1.

        y = a**b
        ∂y/∂a = gate(b, a**(b - 1))
        ∂y/∂b = gate(y, gate(greater(abs(a), 0), log(a)))
        domain: a > 0
        """
    def exp(self) -> Value:
        """e**a; +Infinity above 709.7827128933840, 0 below -745.1332191019412.

        y = exp(a)
        ∂y/∂a = y
        domain: all
        """
    def expm1(self) -> Value:
        """exp(a) - 1; +Infinity above 709.7827128933840, -1 below -37.43.

        y = expm1(a)
        ∂y/∂a = exp(a)
        domain: all
        """
    def log(self) -> Value:
        """Natural logarithm; -Infinity at 0, NaN below.

        y = log(a)
        ∂y/∂a = 1/a
        domain: a > 0
        """
    def log1p(self) -> Value:
        """log(1 + a); -Infinity at -1, NaN below.

        y = log1p(a)
        ∂y/∂a = 1/(1 + a)
        domain: a > -1
        """
    def sqrt(self) -> Value:
        """Square root, by IEEE 754-2019 clause 5.4.1; NaN below 0, and sqrt(-0.0) is -0.0.

        y = sqrt(a)
        ∂y/∂a = 0.5/y
        domain: a > 0
        """
    def tanh(self) -> Value:
        """Hyperbolic tangent; 1 from 19.0616 on.

        y = tanh(a)
        ∂y/∂a = 1 - y*y
        domain: all
        """
    def sigmoid(self) -> Value:
        """1/(1 + exp(-a)), in [0, 1]; 1 from 36.74 on, 0 below -745.1332191019412.

        y = sigmoid(a)
        ∂y/∂a = y*(1 - y)
        domain: all
        """
    def relu(self) -> Value:
        """max(a, 0); NaN stays NaN.

        y = relu(a)
        ∂y/∂a = greater(a, 0)
        domain: all
        convention: 0 at a = 0
        """
    def sin(self) -> Value:
        """Sine of a radians; NaN at the infinities.

        y = sin(a)
        ∂y/∂a = cos(a)
        domain: all
        """
    def cos(self) -> Value:
        """Cosine of a radians; NaN at the infinities.

        y = cos(a)
        ∂y/∂a = -sin(a)
        domain: all
        """
    def abs(self) -> Value:
        """Return the absolute value of the argument.

        y = abs(a)
        ∂y/∂a = greater(a, 0) - greater(0, a)
        domain: all
        convention: 0 at a = 0
        """
    def maximum(self, b: SupportsFloat) -> Value:
        """IEEE 754-2019 clause 9.6 maximum: NaN if either is, and +0 is greater than -0.

        y = maximum(a, b)
        ∂y/∂a = 1 - greater(b, a)
        ∂y/∂b = greater(b, a)
        domain: all
        convention: a tie goes to the first operand
        """
    def minimum(self, b: SupportsFloat) -> Value:
        """IEEE 754-2019 clause 9.6 minimum: NaN if either is, and -0 is less than +0.

        y = minimum(a, b)
        ∂y/∂a = 1 - greater(a, b)
        ∂y/∂b = greater(a, b)
        domain: all
        convention: a tie goes to the first operand
        """
    def greater(self, b: SupportsFloat) -> Value:
        """1 where a > b, else 0; NaN if either is.

        y = greater(a, b)
        ∂y/∂a = 0
        ∂y/∂b = 0
        domain: all
        convention: 0 at a = b
        """
    def gate(self, b: SupportsFloat) -> Value:
        """a·b, and 0 where a is 0, whatever b is: what a branch that is not taken contributes.

        y = gate(a, b)
        ∂y/∂a = b
        ∂y/∂b = a
        domain: all
        """

@overload
def neg(a: Value, /) -> Value:
    """Same as -a.

    y = -a
    ∂y/∂a = -1
    domain: all
    """

@overload
def neg(a: float, /) -> float: ...
@overload
def neg(a: SupportsFloat, /) -> Value | float: ...
@overload
def add(a: Value, b: SupportsFloat, /) -> Value:
    """Same as a + b.

    y = a + b
    ∂y/∂a = 1
    ∂y/∂b = 1
    domain: all
    """

@overload
def add(a: SupportsFloat, b: Value, /) -> Value: ...
@overload
def add(a: float, b: float, /) -> float: ...
@overload
def add(a: SupportsFloat, b: SupportsFloat, /) -> Value | float: ...
@overload
def sub(a: Value, b: SupportsFloat, /) -> Value:
    """Same as a - b.

    y = a - b
    ∂y/∂a = 1
    ∂y/∂b = -1
    domain: all
    """

@overload
def sub(a: SupportsFloat, b: Value, /) -> Value: ...
@overload
def sub(a: float, b: float, /) -> float: ...
@overload
def sub(a: SupportsFloat, b: SupportsFloat, /) -> Value | float: ...
@overload
def mul(a: Value, b: SupportsFloat, /) -> Value:
    """Same as a * b.

    y = a * b
    ∂y/∂a = b
    ∂y/∂b = a
    domain: all
    """

@overload
def mul(a: SupportsFloat, b: Value, /) -> Value: ...
@overload
def mul(a: float, b: float, /) -> float: ...
@overload
def mul(a: SupportsFloat, b: SupportsFloat, /) -> Value | float: ...
@overload
def div(a: Value, b: SupportsFloat, /) -> Value:
    """a/b by IEEE 754-2019 clause 7.3: x/0 is an infinity with the sign of the quotient, 0/0 is NaN.

    y = a / b
    ∂y/∂a = 1/b
    ∂y/∂b = -y/b
    domain: b > 0
    """

@overload
def div(a: SupportsFloat, b: Value, /) -> Value: ...
@overload
def div(a: float, b: float, /) -> float: ...
@overload
def div(a: SupportsFloat, b: SupportsFloat, /) -> Value | float: ...
@overload
def pow(a: Value, b: SupportsFloat, /) -> Value:
    """a**b (IEEE 754-2019 clause 9.2.1): NaN for a negative a under a b that is not whole; a**0 and 1**b are 1.

    y = a**b
    ∂y/∂a = gate(b, a**(b - 1))
    ∂y/∂b = gate(y, gate(greater(abs(a), 0), log(a)))
    domain: a > 0
    """

@overload
def pow(a: SupportsFloat, b: Value, /) -> Value: ...
@overload
def pow(a: float, b: float, /) -> float: ...
@overload
def pow(a: SupportsFloat, b: SupportsFloat, /) -> Value | float: ...
@overload
def exp(a: Value, /) -> Value:
    """e**a; +Infinity above 709.7827128933840, 0 below -745.1332191019412.

    y = exp(a)
    ∂y/∂a = y
    domain: all
    """

@overload
def exp(a: float, /) -> float: ...
@overload
def exp(a: SupportsFloat, /) -> Value | float: ...
@overload
def expm1(a: Value, /) -> Value:
    """exp(a) - 1; +Infinity above 709.7827128933840, -1 below -37.43.

    y = expm1(a)
    ∂y/∂a = exp(a)
    domain: all
    """

@overload
def expm1(a: float, /) -> float: ...
@overload
def expm1(a: SupportsFloat, /) -> Value | float: ...
@overload
def log(a: Value, /) -> Value:
    """Natural logarithm; -Infinity at 0, NaN below.

    y = log(a)
    ∂y/∂a = 1/a
    domain: a > 0
    """

@overload
def log(a: float, /) -> float: ...
@overload
def log(a: SupportsFloat, /) -> Value | float: ...
@overload
def log1p(a: Value, /) -> Value:
    """log(1 + a); -Infinity at -1, NaN below.

    y = log1p(a)
    ∂y/∂a = 1/(1 + a)
    domain: a > -1
    """

@overload
def log1p(a: float, /) -> float: ...
@overload
def log1p(a: SupportsFloat, /) -> Value | float: ...
@overload
def sqrt(a: Value, /) -> Value:
    """Square root, by IEEE 754-2019 clause 5.4.1; NaN below 0, and sqrt(-0.0) is -0.0.

    y = sqrt(a)
    ∂y/∂a = 0.5/y
    domain: a > 0
    """

@overload
def sqrt(a: float, /) -> float: ...
@overload
def sqrt(a: SupportsFloat, /) -> Value | float: ...
@overload
def tanh(a: Value, /) -> Value:
    """Hyperbolic tangent; 1 from 19.0616 on.

    y = tanh(a)
    ∂y/∂a = 1 - y*y
    domain: all
    """

@overload
def tanh(a: float, /) -> float: ...
@overload
def tanh(a: SupportsFloat, /) -> Value | float: ...
@overload
def sigmoid(a: Value, /) -> Value:
    """1/(1 + exp(-a)), in [0, 1]; 1 from 36.74 on, 0 below -745.1332191019412.

    y = sigmoid(a)
    ∂y/∂a = y*(1 - y)
    domain: all
    """

@overload
def sigmoid(a: float, /) -> float: ...
@overload
def sigmoid(a: SupportsFloat, /) -> Value | float: ...
@overload
def relu(a: Value, /) -> Value:
    """max(a, 0); NaN stays NaN.

    y = relu(a)
    ∂y/∂a = greater(a, 0)
    domain: all
    convention: 0 at a = 0
    """

@overload
def relu(a: float, /) -> float: ...
@overload
def relu(a: SupportsFloat, /) -> Value | float: ...
@overload
def sin(a: Value, /) -> Value:
    """Sine of a radians; NaN at the infinities.

    y = sin(a)
    ∂y/∂a = cos(a)
    domain: all
    """

@overload
def sin(a: float, /) -> float: ...
@overload
def sin(a: SupportsFloat, /) -> Value | float: ...
@overload
def cos(a: Value, /) -> Value:
    """Cosine of a radians; NaN at the infinities.

    y = cos(a)
    ∂y/∂a = -sin(a)
    domain: all
    """

@overload
def cos(a: float, /) -> float: ...
@overload
def cos(a: SupportsFloat, /) -> Value | float: ...
@overload
def abs(a: Value, /) -> Value:
    """Return the absolute value of the argument.

    y = abs(a)
    ∂y/∂a = greater(a, 0) - greater(0, a)
    domain: all
    convention: 0 at a = 0
    """

@overload
def abs(a: float, /) -> float: ...
@overload
def abs(a: SupportsFloat, /) -> Value | float: ...
@overload
def maximum(a: Value, b: SupportsFloat, /) -> Value:
    """IEEE 754-2019 clause 9.6 maximum: NaN if either is, and +0 is greater than -0.

    y = maximum(a, b)
    ∂y/∂a = 1 - greater(b, a)
    ∂y/∂b = greater(b, a)
    domain: all
    convention: a tie goes to the first operand
    """

@overload
def maximum(a: SupportsFloat, b: Value, /) -> Value: ...
@overload
def maximum(a: float, b: float, /) -> float: ...
@overload
def maximum(a: SupportsFloat, b: SupportsFloat, /) -> Value | float: ...
@overload
def minimum(a: Value, b: SupportsFloat, /) -> Value:
    """IEEE 754-2019 clause 9.6 minimum: NaN if either is, and -0 is less than +0.

    y = minimum(a, b)
    ∂y/∂a = 1 - greater(a, b)
    ∂y/∂b = greater(a, b)
    domain: all
    convention: a tie goes to the first operand
    """

@overload
def minimum(a: SupportsFloat, b: Value, /) -> Value: ...
@overload
def minimum(a: float, b: float, /) -> float: ...
@overload
def minimum(a: SupportsFloat, b: SupportsFloat, /) -> Value | float: ...
@overload
def greater(a: Value, b: SupportsFloat, /) -> Value:
    """1 where a > b, else 0; NaN if either is.

    y = greater(a, b)
    ∂y/∂a = 0
    ∂y/∂b = 0
    domain: all
    convention: 0 at a = b
    """

@overload
def greater(a: SupportsFloat, b: Value, /) -> Value: ...
@overload
def greater(a: float, b: float, /) -> float: ...
@overload
def greater(a: SupportsFloat, b: SupportsFloat, /) -> Value | float: ...
@overload
def gate(a: Value, b: SupportsFloat, /) -> Value:
    """a·b, and 0 where a is 0, whatever b is: what a branch that is not taken contributes.

    y = gate(a, b)
    ∂y/∂a = b
    ∂y/∂b = a
    domain: all
    """

@overload
def gate(a: SupportsFloat, b: Value, /) -> Value: ...
@overload
def gate(a: float, b: float, /) -> float: ...
@overload
def gate(a: SupportsFloat, b: SupportsFloat, /) -> Value | float: ...
