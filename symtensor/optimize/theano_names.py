"""Theano's names of optimizations: what stands for each here.

``mode.excluding("local_log1p")`` of a Theano program turns off the rules that do the same; names of what is no rewrite
here are accepted and change nothing.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

__all__ = ["BY_CONSTRUCTION", "COVERED", "FAMILIES", "INCLUDED", "known", "rules_of"]

COVERED: dict[str, str] = {
    # sums, products, signs, powers
    "local_add_canonizer": "add_zero; sub_zero; cancel_integers; cancel_terms; merge_constants",
    "local_mul_canonizer":
        "mul_one; div_one; cancel_factors; merge_constants; div_by_abs; "
        "div_of_div; constant_times_neg; neg_of_constant_times",
    "local_add_specialize": "add_zero; single_operand", "local_mul_specialize": "mul_minus_one; mul_one; mul_neg",
    "local_elemwise_sub_zeros": "cancel_integers; cancel_terms", "local_mul_zero": "integer_zero; times_zero",
    "local_zero_div": "zero_div; remainder", "local_neg_neg": "double_neg", "local_neg_div_neg": "div_neg",
    "local_neg_to_mul": "constant_times_neg; neg_of_constant_times", "local_mul_to_sqr": "product_of_same",
    "local_intdiv_by_one": "int_div_one", "local_inv_canon": "inv_of_inv", "local_div_to_inv": "cheap_power",
    "local_pow_canonicalize": "power_of_constant; power_of_one", "local_pow_specialize": "cheap_power; power_of_two",
    "local_pow_specialize_device": "cheap_power", "local_func_inv": "inverse; inverse_on_domain",
    "local_abs_lift": "abs_of; sqr_of", "local_abs_merge": "abs_of", "local_exp_log": "inverse; inverse_on_domain",
    "check_for_x_over_absX": "div_by_abs", "local_greedy_distributor": "cancel_integers; cancel_terms",
    "constant_folding": "constant_folding", "local_sqrt_sqr": "inverse; inverse_on_domain",
    "local_useless_conj": "parts_of_real; parts_of_complex",
    # selection, comparison, conversion
    "local_useless_switch": "switch_known; switch_on_truth; truth_of_cast", "local_mul_switch_sink": "switch_sink",
    "local_div_switch_sink": "switch_sink",
    "local_merge_switch_same_cond": "complementary_switches; switch_of_switch",
    "local_useless_elemwise_comparison":
        "compare_with_itself; unsigned_and_zero; nonnegative_and_zero; "
        "dimension_arithmetic",
    "local_useless_elemwise":
        "single_operand; copy; logic_of_constant; bits_of_constant; "
        "bits_of_same; cast_of_cast",
    "local_cast_cast": "cast_of_cast", "local_max_to_min": "max_of_neg; extremum_of_neg",
    # filled tensors, layout, shapes
    "local_fill_sink": "scalar_operand; elementwise_of_alloc", "local_fill_cut": "fill_to_alloc",
    "local_fill_to_alloc": "fill_to_alloc", "local_useless_fill": "fill_to_alloc",
    "local_useless_alloc": "useless_alloc", "local_canonicalize_alloc": "useless_alloc",
    "local_elemwise_alloc": "scalar_operand; elementwise_of_alloc",
    "local_alloc_elemwise": "scalar_operand; elementwise_of_alloc", "local_alloc_unary": "elementwise_of_alloc",
    "local_dimshuffle_lift": "merge_dimshuffles; dimshuffle_of_elementwise; dimshuffle_of_alloc",
    "local_lift_transpose_through_dot": "transpose_of_dot", "local_transposed_dot": "transpose_of_dot",
    "local_reshape_chain": "useless_reshape", "local_useless_reshape": "useless_reshape",
    "local_reshape_to_dimshuffle": "reshape_to_dimshuffle", "local_flatten_lift": "useless_reshape",
    "local_useless_dimshuffle_in_reshape": "reshape_of_padded",
    "local_useless_tile": "useless_alloc; useless_reshape", "local_rebroadcast_lift": "past_typing",
    "local_useless_rebroadcast": "past_typing", "apply_rebroadcast_opt": "past_typing",
    "local_shape_to_shape_i": "shape_vector", "local_remove_all_assert": "remove_assertions",
    "ShapeOpt": "shape_of_result; shape_vector",
    # indexing and joining
    "local_subtensor_lift": "index_of_elementwise", "local_subtensor_of_dot": "index_of_dot",
    "local_subtensor_of_alloc": "slice_of_alloc", "local_subtensor_make_vector": "item_of_made_vector",
    "local_subtensor_inc_subtensor": "read_what_was_set",
    "local_subtensor_remove_broadcastable_index": "index_of_one", "local_useless_slice": "useless_slice",
    "local_useless_subtensor": "useless_slice", "local_subtensor_merge": "reverse_twice; useless_slice",
    "local_useless_inc_subtensor": "useless_write", "local_useless_inc_subtensor_alloc": "write_of_alloc",
    "local_setsubtensor_of_constants": "useless_write", "local_set_to_inc_subtensor": "set_to_sum",
    "local_incsubtensor_of_zeros": "useless_write", "local_incsubtensor_of_zeros_to_setsubtensor": "add_scatter",
    "local_IncSubtensor_serialize": "add_scatter; merge_row_updates", "local_join_1": "join_of_one",
    "local_join_empty": "join_of_one", "local_join_make_vector": "join_of_made_vectors",
    # reductions
    "local_sum_prod_mul_by_scalar": "sum_of_scaled; sum_of_factor; sum_of_neg",
    "local_sum_mul_by_scalar": "sum_of_scaled; sum_of_factor; sum_of_neg",
    "local_sum_prod_div_dimshuffle": "sum_of_factor", "local_sum_div_dimshuffle": "sum_of_factor",
    "local_sum_prod_all_to_none": "reduce_reduction", "local_sum_all_to_none": "reduce_reduction",
    "local_op_of_op": "reduce_reduction", "local_sum_sum": "reduce_reduction", "local_reduce_join": "reduce_join",
    "local_reduce_broadcastable": "reduce_ones", "local_useless_reduce": "reduce_ones",
    "local_opt_alloc": "reduce_alloc", "local_sum_alloc": "reduce_alloc", "local_cut_useless_reduce": "reduce_ones",
    "local_argmax_pushdown": "argmax_of_increasing",
    # matrix products
    "local_0_dot_x": "dot_of_alloc", "local_dot_to_dot22": "gemm", "local_dot22_to_dot22scalar": "gemm",
    "gemm_optimizer": "gemm", "BlasOpt": "gemm; transpose_of_dot; vector_first; dot_of_one; dot_of_alloc",
    "local_gemm_to_ger": "dot_of_one", "local_dot22_to_ger_or_gemv": "dot_of_one",
    "local_det_chol": "det_of_cholesky", "local_inv_1": "product_with_inverse",
    "tag_solve_triangular": "solve_with_cholesky", "no_transpose_symmetric": "solve_with_cholesky",
    "psd_solve_with_chol": "solve_with_cholesky",
    # logarithms and exponentials
    "local_log1p": "log(1 + x) -> log1p(x); log(1 - x) -> log1p(-x)",
    "local_expm1": "exp(x) - 1*; exp(x) + -1*; 1 - exp*",
    "local_log_add": "log(exp(x) + exp(y)) *; log_of_exponentials", "local_log_sum_exp": "log_of_sum_of_exp",
    "local_1msigmoid": "1 - sigmoid(x) *; minus_part_of_sigmoid; 1 - (1 / (1 + exp(-x))) *",
    "local_inv_1_plus_exp": "inv(1 + exp(*",
    "local_exp_over_1_plus_exp": "exp(*) / (1 + exp(*; 1 / (1 + exp(*; quotient_of_exp",
    "local_sigm_times_exp": "quotient_of_exp; square_of_sigmoid; divide_and_multiply",
    "logsigm_to_softplus": "log(sigmoid(x)) -> *",
    "log1msigm_to_softplus": "log(1 - sigmoid(x)) -> *; log1p(-sigmoid(x)) *",
    "log1pexp_to_softplus": "log(1 + exp(x)) *; log1p(exp(x)) *", "log1p_neg_sigmoid": "log1p(-sigmoid(x)) *",
    "local_one_minus_erf": "one_minus_erf", "local_one_minus_erf2": "one_minus_erf",
    "local_one_add_neg_erf": "one_minus_erf", "local_one_plus_neg_erf": "one_minus_erf",
    "local_one_plus_erf": "one_minus_erf", "local_erf_minus_one": "one_minus_erf",
    "local_erf_neg_minus_one": "one_minus_erf", "local_erf_neg_minus_one2": "one_minus_erf",
    "local_one_minus_erfc": "one_minus_erf", "local_one_add_neg_erfc": "one_minus_erf",
    "local_one_minus_erfc2": "one_minus_erf", "local_one_minus_erfc3": "one_minus_erf",
    "local_erfc_minus_one": "one_minus_erf", "local_log_erfc": "log_of_erfc; log_of_scaled_erfc",
    "local_grad_log_erfc_neg": "gradient_of_log_erfc",
    # softmax and its losses
    "local_logsoftmax": "log_of_softmax; minus_logsumexp", "local_logsoftmax_grad": "gradient_of_log_of_softmax",
    "softmax_simplifier": "exp_over_sum", "softmax_grad_simplifier": "exp_over_sum; gradient_at_targets",
    "local_softmax_with_bias": "softmax_of_shifted",
    "crossentropy_to_crossentropy_with_softmax": "crossentropy_of_softmax",
    "crossentropy_to_crossentropy_with_softmax_with_bias": "crossentropy_of_softmax",
    "local_softmax_grad_to_crossentropy_with_softmax_grad": "gradient_at_targets",
    "local_advanced_indexing_crossentropy_onehot": "logsoftmax_at_targets; log_of_softmax_at_targets",
    "local_advanced_indexing_crossentropy_onehot_grad": "gradient_at_targets",
    # passes
    "elemwise_fusion": "fusion", "local_elemwise_fusion": "fusion", "local_add_mul_fusion": "fusion",
    "local_elemwise_fusion_op": "fusion", "local_useless_composite": "fusion", "local_careduce_fusion": "fusion",
    "local_sumsqr2dot": "fusion", "scan": "loops", "scan_eqopt1": "loops", "scan_eqopt2": "loops",
    "scanOp_pushout_nonseqs_ops": "loops", "scanOp_pushout_seqs_ops": "loops", "scan_pushout_dot1": "loops",
    "scanOp_pushout_output": "loops", "scanOp_merge": "loops", "scanOp_save_mem": "loops",
    "scanOp_remove_constants_and_unused_inputs0": "loops", "scanOp_remove_constants_and_unused_inputs1": "loops",
    "scanOp_merge_inouts": "loops", "local_cut_whole_scan": "loops",
}
"""The rules and passes (patterns of their names, separated by semicolons) that do what a rewrite of Theano does."""

BY_CONSTRUCTION: dict[str, str] = {name: reason for reason, names in (
    ("the memory planner decides what is computed in place",
     ("inplace", "inplace_opt", "inplace_elemwise_optimizer", "inplace_elemwise_opt",
      "local_inplace_setsubtensor", "local_inplace_incsubtensor1", "local_inplace_gemm",
      "local_inplace_gemv", "local_inplace_ger", "InplaceBlasOpt", "c_blas_destructive",
      "make_c_gemv_destructive", "make_c_ger_destructive", "scan_make_inplace", "random_make_inplace",
      "make_ger_destructive", "local_inplace_DiagonalSubtensor",)),
    ("equal nodes are one node",
     ("merge", "merge1", "merge1.1", "merge1.2", "merge2", "merge3",)),
    ("there are no such ops, or they cost nothing",
     ("local_scalar_tensor_scalar", "local_tensor_scalar_tensor", "local_upcast_elemwise_constant_inputs",
      "local_track_shape_i", "UnShapeOpt", "local_useless_topk", "local_useless_split",
      "local_remove_useless_assert", "local_alloc_empty_to_zeros", "alloc_empty_to_zeros",
      "local_max_and_argmax", "local_reshape_lift", "local_replace_AdvancedSubtensor",
      "local_AdvancedIncSubtensor_to_AdvancedIncSubtensor1", "local_ultra_fast_sigmoid",
      "local_hard_sigmoid", "uncanonicalize", "specialize_device", "cxx_only", "cxx",
      "local_crossentropy_to_crossentropy_with_softmax_grad", "local_mean", "add_destroy_handler",
      "local_useless_crossentropy_softmax_1hot_with_bias_dx_alloc", "local_subtensor_rv_lift",)),
    ("wrong where an index occurs twice",
     ("local_adv_sub1_adv_inc_sub1",)),
    ("the program picks the routine",
     ("local_gemm_to_gemv", "use_c_blas", "use_c_gemv", "use_c_ger", "use_zdot",)),
    ("including asserted drops assertions",
     ("unsafe",)),
) for name in names}
"""What needs no rule here, with the reason."""

FAMILIES = ("local_gpu*", "gpu*", "local_dnn*", "local_abstractconv*", "local_conv*", "conv_*",
            "local_abstract_batch_norm*")
"""Names of rewrites about devices and convolutions, which are decided elsewhere."""

INCLUDED = {"local_remove_all_assert": "asserted", "unsafe": "asserted"}
"""Names that, included, assume something."""


def known(name: str) -> bool:
    """Whether it is a name of Theano's."""
    return name in COVERED or name in BY_CONSTRUCTION or any(fnmatchcase(name, family) for family in FAMILIES)


def rules_of(name: str) -> tuple[str, ...]:
    """Patterns of the names of the rules and passes that a name of Theano's stands for."""
    return tuple(part.strip() for part in COVERED[name].split(";")) if name in COVERED else ()
