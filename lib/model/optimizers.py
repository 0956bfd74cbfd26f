"""An optimizer for the filters of convolutions, which needs fewer epochs than SGD."""

import torch
from torch import nn


def scale_free(network: nn.Module) -> list[nn.Parameter]:
    """Filters [N, C, *kernel] whose scale changes nothing, as a batch normalization follows: convolutions without bias.

    Not those of depthwise convolutions, whose filters see a channel each.

    >>> from lib.model.networks import TinyCNN2D
    >>> [tuple(filters.shape) for filters in scale_free(TinyCNN2D())]
    [(32, 3, 3, 3), (64, 32, 3, 3), (128, 64, 3, 3)]
    """
    convolutions = (module for module in network.modules() if isinstance(module, (nn.Conv1d, nn.Conv2d)))
    return [module.weight for module in convolutions if module.bias is None and module.groups == 1]


class Muon(torch.optim.Muon):
    """Muon for filters [N, C, *kernel], each a row of a matrix, which keep norm 1.

    The step is the orthogonal matrix nearest to the momentum: it turns all directions of the matrix alike.
    Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; PyTorch's takes matrices.

    >>> filters = nn.Parameter(torch.eye(2).reshape(2, 2, 1, 1))
    >>> filters.grad = torch.tensor([[0.0, 1.0], [0.0, 0.0]]).reshape(2, 2, 1, 1)
    >>> Muon([filters], lr=0.1).step()
    >>> filters.norm(dim=1).flatten().tolist()
    [1.0, 1.0]
    """

    def __init__(self, filters: list[nn.Parameter], lr: float):
        self.filters = filters
        # Views, so that a step changes the filters; where the memory's layout allows none, this raises RuntimeError.
        matrices = [nn.Parameter(parameter.detach().view(len(parameter), -1)) for parameter in filters]
        super().__init__(matrices, lr=lr, weight_decay=0.0, momentum=0.9)

    @torch.no_grad()
    def step(self) -> None:
        """One step, from the gradients of the filters."""
        (group,) = self.param_groups
        for matrix, parameter in zip(group["params"], self.filters, strict=True):
            matrix.grad = parameter.grad.flatten(1)
        super().step()
        for matrix in group["params"]:
            matrix.div_(matrix.norm(dim=1, keepdim=True))
