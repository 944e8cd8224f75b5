"""Words and marks that indicate what kind of work a prompt asks for; lower case, English."""


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


REASONING = _words(
    """
    prove proves proving proof proofs disprove derive derives deriving derivation deduce deduces infer
    infers conclude generalise generalize generalises generalizes counterexample counterexamples
    counter-example counter-examples analyse analyze analyses analyzes analysing analyzing analysis
    evaluate evaluates evaluating assess assesses critique critiques criticise compare compares
    comparing contrast contrasts justify justifies argue argues explain why how reconcile synthesise
    synthesize diagnose estimate estimates trade-off trade-offs tradeoffs tradeoff design designs
    designing architect architecture implement implements implementing implementation optimise optimize
    optimises optimizes optimal optimisation optimization debug debugging refactor refactoring formalise
    formalize simulate solve solves solving solution calculate calculates calculating compute computes
    computing determine determines plan planning strategy complexity worst-case step-by-step rigorous
    rigorously theorem lemma invariant invariants implications investigate hypothesis hypotheses
    hypothetical
    """
)

CONSTRAINTS = _words(
    """
    must should shall cannot least most exactly only unless without except such subject given assume
    assuming assumes suppose supposing constraint constraints requirement requirements ensure ensures
    ensuring respectively however instead whereas provided preserving avoiding if when every each both
    neither either then therefore because while otherwise although despite until within maximum minimum
    once after before whether
    """
)

CODE = _words(
    """
    algorithm algorithms python java javascript typescript c++ rust golang haskell kotlin swift sql
    regex regexp api apis compiler kernel thread threads multithreaded mutex atomic atomics lock-free
    lockfree wait-free concurrent concurrency distributed database databases schema stdin stdout runtime
    recursion recursive pointer pointers function functions method array arrays string strings dict
    tuple boolean def return returns import class struct int float void lambda loop queue stack heap
    tree hash cache latency throughput deadlock livelock race memory bug code program script query
    queries json yaml html css docker kubernetes linux git server
    """
)

CODE_MARKS = ("```", "->", "=>", "==", "!=", "();", "):", "&&", "||", "#include", ">>>", "//", "</")

MATH = _words(
    """
    integral integrals derivative derivatives matrix matrices determinant equation equations inequality
    polynomial polynomials probability probabilities continuous differentiable limits converge converges
    convergence diverges uniform uniformly pointwise vector vectors eigenvalue eigenvalues eigenvector
    prime primes integer integers modulo remainder triangle triangles radius angle angles perimeter
    velocity acceleration voltage resistance momentum permutation permutations combinatorial factorial
    logarithm exponential sqrt frac sum product average percent ratio fraction fractions squared cubed
    sequence infinite infinitely irrational rational theorem topology manifold isomorphic homomorphism
    bijective injective surjective abelian cyclic many much total twice half per
    """
)

MATH_MARKS = (
    "\\frac",
    "\\sqrt",
    "\\sum",
    "\\int",
    "\\begin",
    "\\le",
    "\\ge",
    "\\cdot",
    "^",
    "$",
    " = ",
    "\u221a",
    "\u222b",
    "\u2211",
)

ORDERS = _words(
    """
    prove disprove derive deduce analyse analyze evaluate critique compare contrast justify design
    architect implement optimise optimize debug refactor formalise formalize diagnose solve develop
    construct devise
    """
)

LOOKUPS = _words(
    """
    hi hello hey thanks thank good who whom whose what what's whats which when when's where where's
    who's is are was were do does did can say repeat translate define spell name list tell give convert
    in on at
    """
)

NEGATIONS = _words(
    "not except never false incorrect none neither least without cannot don't doesn't isn't wrong"
)
