"""Hatrac, the object store, after its public REST description: request path -> typed resource -> answer.

request    path            -> resource (what is meant), pure
headers    header values   -> checked values, pure
rights     ACLs and client -> yes or no, pure
records    resource        -> rows of database `deriva_local`, schema `hatrac`
service    runs them, with the contents' files; knows no web framework
"""
