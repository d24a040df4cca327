"""The llama architecture in plain PyTorch, as small as the shipped model needs it."""

import dataclasses

import torch
import torch.nn.functional as F
from torch import nn

import tokens

NO_TARGET = -100  # nothing is asked for there


@dataclasses.dataclass
class Config:
    n_layer: int
    n_embd: int
    n_head: int
    n_head_kv: int
    n_ff: int
    head_dim: int = 64  # Lemnos has kernels for 64, 80, 128 and 160
    n_vocab: int = tokens.N_ROWS
    norm_eps: float = 1e-6

    def n_parameters(self):
        heads = self.n_head * 2 + self.n_head_kv * 2
        layer = self.n_embd * (heads * self.head_dim + 3 * self.n_ff + 2)
        return self.n_layer * layer + self.n_embd * (self.n_vocab + 1)


# Short context first; then four times as far with positions divided by four, on a larger base
# (paper, section 3.6).
ROPE_SHORT = {"base": 10000.0, "factor": 1.0}
ROPE_LONG = {"base": 100000.0, "factor": 4.0}


def rope_table(config, n_positions, base, factor):
    """cos and sin, f32 [n_positions][head_dim / 2], made in double."""
    half = torch.arange(0, config.head_dim, 2, dtype=torch.float64) / config.head_dim
    positions = torch.arange(n_positions, dtype=torch.float64) / factor
    angles = positions[:, None] * base**-half
    return angles.cos().float(), angles.sin().float()


def rotate(x, rope):
    """x [batch][head][position][head_dim]; pairs are (i, i + head_dim / 2), as Hugging Face has it.
    GGUF has neighbours as pairs: export.py reorders the rows of the weights."""
    cos, sin = rope
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Cache:
    """K and V of one layer, [batch][head][position][head_dim], for at most n_positions."""

    def __init__(self, n_positions):
        self.room, self.used, self.kv = n_positions, 0, None

    def add(self, *new):
        if self.kv is None:
            batch, n_head, _, head_dim = new[0].shape
            self.kv = [new[0].new_empty(batch, n_head, self.room, head_dim) for _ in new]
        end = self.used + new[0].shape[2]
        for whole, part in zip(self.kv, new):
            whole[:, :, self.used : end] = part
        self.used = end
        return [whole[:, :, :end] for whole in self.kv]


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.config = c
        self.attn_norm = nn.Parameter(torch.ones(c.n_embd))
        self.ffn_norm = nn.Parameter(torch.ones(c.n_embd))
        # q, k and v in one matrix, gate and up too: fewer, larger products.
        self.qkv = nn.Linear(c.n_embd, (c.n_head + 2 * c.n_head_kv) * c.head_dim, bias=False)
        self.out = nn.Linear(c.n_head * c.head_dim, c.n_embd, bias=False)
        self.gate_up = nn.Linear(c.n_embd, 2 * c.n_ff, bias=False)
        self.down = nn.Linear(c.n_ff, c.n_embd, bias=False)

    def forward(self, x, rope, cache=None, mask=None):
        x = x + self.attention(self.norm(x, self.attn_norm), rope, cache, mask)
        gate, up = self.gate_up(self.norm(x, self.ffn_norm)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)

    def norm(self, x, weight):
        return F.rms_norm(x, weight.shape, weight, self.config.norm_eps)

    def attention(self, x, rope, cache, mask):
        c = self.config
        batch, n, _ = x.shape
        heads = self.qkv(x).view(batch, n, -1, c.head_dim).transpose(1, 2)
        q, k, v = heads.split((c.n_head, c.n_head_kv, c.n_head_kv), dim=1)
        q, k = rotate(q, rope), rotate(k, rope)
        if cache is not None:
            k, v = cache.add(k, v)
        group = c.n_head // c.n_head_kv
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        return self.out(y.transpose(1, 2).reshape(batch, n, -1))


class Model(nn.Module):
    def __init__(self, config, seed=0):
        super().__init__()
        self.config = config
        self.embedding = nn.Parameter(torch.empty(config.n_vocab, config.n_embd))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.n_layer))
        self.output_norm = nn.Parameter(torch.ones(config.n_embd))
        self.rope = None
        self._initialise(torch.Generator().manual_seed(seed))

    def _initialise(self, generator):
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                std = weight.shape[1] ** -0.5
                if name == "embedding":
                    std = 0.02  # it is the output matrix too
                if name.endswith(("out.weight", "down.weight")):
                    std = 0.0  # a layer begins as nothing: the token itself is seen through it
                nn.init.normal_(weight, std=std, generator=generator)

    def set_rope(self, n_positions, base, factor):
        device = self.embedding.device
        table = rope_table(self.config, n_positions, base, factor)
        self.rope = tuple(part.to(device) for part in table)

    def hidden(self, ids, rope=None, caches=None, mask=None):
        """[batch][n] token ids to [batch][n][n_embd], normalised. With `caches`, one for each
        layer, they come behind what those hold; then `rope` is the table's rows for them and
        `mask` [batch][1][n][all so far] says what each may see."""
        x = F.embedding(ids, self.embedding)
        if rope is None:
            rope = tuple(part[: ids.shape[1]] for part in self.rope)
        for i, layer in enumerate(self.layers):
            x = layer(x, rope, caches[i] if caches else None, mask)
        return F.rms_norm(x, self.output_norm.shape, self.output_norm, self.config.norm_eps)

    def forward(self, ids):
        """Logits [batch][n][n_vocab]; the output matrix is the embedding."""
        return self.hidden(ids) @ self.embedding.T

    def rope_at(self, positions):
        """The table's rows for positions [batch][n], for all heads."""
        return tuple(part[positions][:, None] for part in self.rope)

    @torch.no_grad()
    def greedy(self, prompts, limit, stops, batch=16):
        """For each prompt, a list of ids, at most `limit` of the most probable tokens behind it,
        until one of `stops`, which is not among them."""
        results = [None] * len(prompts)
        # Of like length together: a batch is filled up on its left.
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            for i, new in zip(part, self._greedy([prompts[i] for i in part], limit, stops)):
                results[i] = new
        return results

    def _greedy(self, prompts, limit, stops):
        width = max(map(len, prompts))
        ids = torch.tensor([[tokens.PAD] * (width - len(p)) + p for p in prompts])
        n_pad = torch.tensor([[width - len(p)] for p in prompts])
        place = torch.arange(width + limit)
        seen = place >= n_pad  # [batch][position]
        # What fills up sees itself, for a softmax over nothing is a NaN.
        mask = (place[:width, None] >= place[:width]) & seen[:, None, None, :width]
        mask = mask | torch.eye(width, dtype=torch.bool)
        caches = [Cache(width + limit) for _ in self.layers]
        rope = self.rope_at((place[:width] - n_pad).clamp(min=0))
        new, done = [[] for _ in prompts], [False] * len(prompts)
        for end in range(width, width + limit):
            x = self.hidden(ids, rope, caches, mask)[:, -1]
            best = (x @ self.embedding.T).argmax(-1)
            for row, token in enumerate(best.tolist()):
                done[row] = done[row] or token in stops
                if not done[row]:
                    new[row].append(token)
            if all(done):
                break
            ids = best[:, None]
            rope = self.rope_at(end - n_pad)
            mask = seen[:, None, None, : end + 1]
        return new

    def loss(self, ids, targets, weights=None, reduction="mean"):
        """Loss in nats of the next tokens, targets [batch][n], behind ids [batch][n]; with weights
        [batch][n] the sum of each times its weight."""
        logits = self.forward(ids).flatten(0, 1)
        if weights is None:
            return F.cross_entropy(
                logits, targets.flatten(), ignore_index=NO_TARGET, reduction=reduction
            )
        losses = F.cross_entropy(
            logits, targets.flatten(), ignore_index=NO_TARGET, reduction="none"
        )
        return (losses * weights.flatten()).sum()
