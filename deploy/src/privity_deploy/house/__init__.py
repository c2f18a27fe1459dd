"""What keeps the house easy to see: where files go, who may import what, contracts on paper."""
